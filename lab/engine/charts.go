package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ChartAddress is where the chart repository listens: the stack file of the lab names it.
const ChartAddress = "127.0.0.1:8879"

// Charts is the chart repository on loopback: the lab's own command, serving a folder.
type Charts struct {
	// Run holds the process id, Log the log file, Dir the folder that is served.
	Run, Log, Dir string
}

func (c *Charts) process() *process {
	return &process{name: "chart repository", pidFile: filepath.Join(c.Run, "charts.pid"), mark: "serve-charts"}
}

// Start starts the repository unless it runs.
func (c *Charts) Start(ctx context.Context) error {
	if c.answers() {
		return nil
	}
	if err := c.process().stop(ctx, 5*time.Second); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	exited, err := c.process().start(c.Log, self, "serve-charts", c.Dir)
	if err != nil {
		return err
	}
	return waitFor(ctx, 10*time.Second, exited, c.answers, "chart repository on "+ChartAddress, c.Log)
}

// Stop stops the repository.
func (c *Charts) Stop(ctx context.Context) error { return c.process().stop(ctx, 5*time.Second) }

// answers is true when the repository at the address has this folder's charts. It may be that of another
// checkout, which then serves both.
func (c *Charts) answers() bool {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + ChartAddress + "/index.yaml")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	served, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return false
	}
	mine, err := os.ReadFile(filepath.Join(c.Dir, "index.yaml"))
	return err == nil && bytes.Equal(served, mine)
}

// ServeCharts serves the folder until ctx ends.
func ServeCharts(ctx context.Context, dir string) error {
	s := http.Server{Addr: ChartAddress, ReadHeaderTimeout: 5 * time.Second, Handler: http.FileServer(http.Dir(dir))}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", dir, err)
	}
	return nil
}
