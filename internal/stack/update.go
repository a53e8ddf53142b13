package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
)

// Value is one of a stack's configuration.
type Value struct {
	Text   string
	Secret bool
}

// Updater changes a stack's configuration and brings it up, by Pulumi's Automation API.
// Each update is an ordinary one: recorded in the stack's history with its configuration.
type Updater struct {
	stack  auto.Stack
	prefix string // of the project's keys
}

// Open finds a stack of the project in the working folder; name "" means the selected
// one, and another is selected.
func Open(ctx context.Context, name string) (*Updater, error) {
	if name == "" {
		out, err := run(ctx, "", "stack", "--show-name", "--non-interactive")
		if err != nil {
			return nil, err
		}
		name = strings.TrimSpace(string(out))
	}
	workspace, err := auto.NewLocalWorkspace(ctx, auto.WorkDir("."), auto.EnvVars(map[string]string{"PULUMI_SKIP_UPDATE_CHECK": "true"}))
	if err != nil {
		return nil, err
	}
	project, err := workspace.ProjectSettings(ctx)
	if err != nil {
		return nil, err
	}
	stack, err := auto.SelectStack(ctx, name, workspace)
	return &Updater{stack: stack, prefix: string(project.Name) + ":"}, err
}

// String names the stack and its project.
func (u *Updater) String() string {
	return "stack " + u.stack.Name() + " of project " + strings.TrimSuffix(u.prefix, ":")
}

// Settings are the project's keys in the stack's configuration.
func (u *Updater) Settings(ctx context.Context) (map[string]Value, error) {
	all, err := u.stack.GetAllConfig(ctx)
	return u.own(all), err
}

func (u *Updater) own(all auto.ConfigMap) map[string]Value {
	own := map[string]Value{}
	for key, value := range all {
		if name, ours := strings.CutPrefix(key, u.prefix); ours {
			own[name] = Value{Text: value.Value, Secret: value.Secret}
		}
	}
	return own
}

// Configure sets values by key or path, and removes keys.
func (u *Updater) Configure(ctx context.Context, set map[string]Value, remove []string) error {
	values := auto.ConfigMap{}
	for key, value := range set {
		values[u.prefix+key] = auto.ConfigValue{Value: value.Text, Secret: value.Secret}
	}
	if err := u.stack.SetAllConfigWithOptions(ctx, values, &auto.ConfigOptions{Path: true}); err != nil {
		return err
	}
	if len(remove) == 0 {
		return nil
	}
	keys := make([]string, len(remove))
	for i, key := range remove {
		keys[i] = u.prefix + key
	}
	return u.stack.RemoveAllConfig(ctx, keys)
}

// Update brings the stack up; say gets the program's own lines. The error is what the
// update said was wrong. An update of this machine whose process is gone is no obstacle:
// it was killed.
func (u *Updater) Update(ctx context.Context, message string, say func(string)) error {
	err := u.up(ctx, message, say)
	if by := new(LockedError); errors.As(err, &by) && by.Gone {
		say("an update that was killed had locked the stack (" + by.By + ")")
		if err := u.stack.Cancel(ctx); err != nil {
			return err
		}
		err = u.up(ctx, message, say)
	}
	return err
}

func (u *Updater) up(ctx context.Context, message string, say func(string)) error {
	stream := make(chan events.EngineEvent)
	var wrong []string
	over := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case event, open := <-stream:
				if !open {
					return
				}
				said := event.DiagnosticEvent
				switch {
				case said == nil || said.Ephemeral:
				case said.Severity == "error":
					wrong = append(wrong, strings.TrimSpace(plain(said.Message)))
				case said.Severity == "info", said.Severity == "warning":
					say(strings.TrimSpace(plain(said.Message)))
				}
			case <-over: // an update that does not begin leaves the stream open
				return
			}
		}
	})
	_, err := u.stack.Up(ctx, optup.Message(message), optup.EventStreams(stream), optup.SuppressOutputs(), optup.ShowSecrets(false))
	if err != nil && ctx.Err() == nil {
		err = locked(err)
	}
	close(over)
	reading.Wait()
	if err != nil && len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return err
}

var colours = regexp.MustCompile(`<\{%[^%]*%\}>`)

// plain is a message without Pulumi's colours.
func plain(text string) string { return colours.ReplaceAllString(text, "") }

// LockedError says that an update of the stack is under way, or was killed.
type LockedError struct {
	// By is what Pulumi says about who began it.
	By string
	// Gone is whether its process was on this machine, and has ended.
	Gone bool
}

// Error says who, and what to do.
func (e *LockedError) Error() string {
	return fmt.Sprintf("another update of the stack is under way (%s), or was killed: wait for it, or type `pulumi cancel` if it is gone", e.By)
}

var lockedBy = regexp.MustCompile(`created by (\S+?)@(\S+) \(pid (\d+)\)`)

// locked makes a *LockedError of what the Automation API says about a concurrent update.
func locked(err error) error {
	if !auto.IsConcurrentUpdateError(err) {
		return err
	}
	e := &LockedError{By: "it does not say by whom"}
	if by := lockedBy.FindStringSubmatch(err.Error()); by != nil {
		e.By = strings.TrimPrefix(by[0], "created ")
		if process, err := strconv.Atoi(by[3]); err == nil {
			here, runs := Running(by[2], process)
			e.Gone = here && !runs
		}
	}
	return e
}

// Running reports whether a process of a host is one of this machine, and whether it then
// runs.
func Running(host string, process int) (here, runs bool) {
	own, err := os.Hostname()
	here = err == nil && host == own && process > 0
	return here, here && !errors.Is(syscall.Kill(process, 0), syscall.ESRCH)
}

// Last is the configuration of the stack's last recorded update, and whether that went
// well; nil is that there was none.
func (u *Updater) Last(ctx context.Context) (settings map[string]Value, succeeded bool, err error) {
	history, err := u.stack.History(ctx, 1, 1)
	if err != nil || len(history) == 0 {
		return nil, false, err
	}
	return u.own(history[0].Config), history[0].Result == "succeeded", nil
}
