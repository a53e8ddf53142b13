package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// skipUpdateCheck keeps the CLI from asking for a newer version of itself.
const skipUpdateCheck = "PULUMI_SKIP_UPDATE_CHECK"

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
	workspace, err := auto.NewLocalWorkspace(ctx, auto.WorkDir("."), auto.EnvVars(map[string]string{skipUpdateCheck: "true"}))
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

// Change is what an update changes in a stack's configuration.
type Change struct {
	// Set are values by key or by path, such as env.LEVEL.
	Set map[string]Value
	// Remove are the keys that go.
	Remove []string
}

// configure makes what of a change an update cannot make itself, and gives the update's
// flags for the rest: each run of the CLI takes as long as a tenth of an update. A secret
// value is in the arguments of no process.
func (u *Updater) configure(ctx context.Context, change Change) (flags []string, err error) {
	paths := auto.ConfigMap{}
	for _, key := range slices.Sorted(maps.Keys(change.Set)) {
		switch value := change.Set[key]; {
		case value.Secret:
			if err := u.setSecret(ctx, u.prefix+key, value.Text); err != nil {
				return nil, err
			}
		case strings.ContainsAny(key, ".["): // by the update's flag it would replace the whole object
			paths[u.prefix+key] = auto.ConfigValue{Value: value.Text}
		default:
			flags = append(flags, "--config="+u.prefix+key+"="+value.Text)
		}
	}
	if len(paths) > 0 {
		if err := u.stack.SetAllConfigWithOptions(ctx, paths, &auto.ConfigOptions{Path: true}); err != nil {
			return nil, err
		}
	}
	if len(change.Remove) > 0 {
		keys := make([]string, len(change.Remove))
		for i, key := range change.Remove {
			keys[i] = u.prefix + key
		}
		if err := u.stack.RemoveAllConfig(ctx, keys); err != nil {
			return nil, err
		}
	}
	return flags, nil
}

func (u *Updater) setSecret(ctx context.Context, path, value string) error {
	workspace := u.stack.Workspace()
	_, stderr, _, err := workspace.PulumiCommand().Run(ctx, workspace.WorkDir(), strings.NewReader(value), nil, nil,
		[]string{skipUpdateCheck + "=true"}, "config", "set", "--path", "--secret", "--stack="+u.stack.Name(), path)
	if err != nil {
		return fmt.Errorf("pulumi config set --secret %s: %w\n%s", path, err, strings.TrimSpace(stderr))
	}
	return nil
}

// Update changes the stack's configuration and brings the stack up; say gets the program's
// own lines. The error is what the update said was wrong. An update of this machine whose
// process is gone is no obstacle: it was killed.
func (u *Updater) Update(ctx context.Context, change Change, message string, say func(string)) error {
	flags, err := u.configure(ctx, change)
	if err != nil {
		return err
	}
	err = u.up(ctx, flags, message, say)
	if by := new(LockedError); errors.As(err, &by) && by.Gone {
		say("an update that was killed had locked the stack (" + by.By + ")")
		if err := u.stack.Cancel(ctx); err != nil {
			return err
		}
		err = u.up(ctx, flags, message, say)
	}
	return err
}

// up runs the command itself: the Automation API's Up asks for outputs and history after
// each update, which takes as long as a third of a change of the weight.
func (u *Updater) up(ctx context.Context, flags []string, message string, say func(string)) error {
	said := &engineEvents{say: say}
	address, stop, err := said.serve()
	if err != nil {
		return err
	}
	workspace := u.stack.Workspace()
	_, stderr, _, err := workspace.PulumiCommand().Run(ctx, workspace.WorkDir(), nil, nil, nil,
		// With it the CLI takes --event-log.
		[]string{"PULUMI_DEBUG_COMMANDS=true", skipUpdateCheck + "=true"},
		append([]string{
			"up", "--yes", "--skip-preview", "--suppress-outputs", "--exec-kind=auto.local", "--event-log=" + address, "--message=" + message, "--stack=" + u.stack.Name(),
		}, flags...)...)
	stop()
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && isLocked(stderr):
		return locked(stderr)
	case len(said.wrong) > 0:
		return errors.New(strings.Join(said.wrong, "\n"))
	}
	return fmt.Errorf("pulumi up: %w\n%s", err, strings.TrimSpace(stderr))
}

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

// isLocked reports whether the CLI says that another update has the stack.
func isLocked(stderr string) bool {
	return strings.Contains(stderr, "the stack is currently locked by") || strings.Contains(stderr, "[409] Conflict: Another update")
}

// locked makes a *LockedError of what the CLI says about a concurrent update.
func locked(stderr string) *LockedError {
	e := &LockedError{By: "it does not say by whom"}
	if by := lockedBy.FindStringSubmatch(stderr); by != nil {
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
