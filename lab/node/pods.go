package main

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// podGrace is the time that pods have to end when the node stops. It is short, since Docker kills
// the whole container ten seconds after it has asked it to stop.
const podGrace = 2 * time.Second

// stopPods asks all containers of pods to end, and kills those that do not within podGrace.
func (n *node) stopPods(ctx context.Context) {
	out, err := run(ctx, nil, n.ctrCommand("tasks", "list")...)
	if err != nil {
		n.log.Warn("pods are not asked to stop", "error", err)
		return
	}
	pids := parseTasks(out)
	deadline := time.Now().Add(podGrace)
	left := signalAll(pids, syscall.SIGTERM)
	for len(left) > 0 && time.Now().Before(deadline) && sleep(ctx, 50*time.Millisecond) {
		left = signalAll(left, 0)
	}
	signalAll(left, syscall.SIGKILL)
	n.log.Info("stopped pods", "containers", len(pids), "killed", len(left))
}

// signalAll gives the processes that there still were to send the signal to.
func signalAll(pids []int, s syscall.Signal) []int {
	var alive []int
	for _, pid := range pids {
		if syscall.Kill(pid, s) == nil {
			alive = append(alive, pid)
		}
	}
	return alive
}

// parseTasks gives the processes of running containers from `ctr tasks list`: a heading,
// then lines with the container, the process and the state.
func parseTasks(text []byte) []int {
	var pids []int
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) != 3 || words[2] != "RUNNING" {
			continue
		}
		if pid, err := strconv.Atoi(words[1]); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}
