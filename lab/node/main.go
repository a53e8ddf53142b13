package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// stopTime is what the stop of all components may take. Docker allows ten seconds,
// of which on a server k3d's drain of the node takes some.
const stopTime = 7 * time.Second

func main() {
	log := newLogger(os.Stdout)
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "kubectl" {
		args = append([]string{"kubectl"}, args...)
	}
	var err error
	if len(args) > 0 && args[0] == "kubectl" {
		err = execKubectl(nodeLayout(), args)
	} else {
		err = supervise(log, args)
	}
	if err != nil {
		log.Log(context.Background(), levelFatal, "cannot go on", "error", err)
		os.Exit(1)
	}
}

// execKubectl becomes kubectl, by default as the cluster's administrator.
func execKubectl(l layout, args []string) error {
	environment := os.Environ()
	if os.Getenv("KUBECONFIG") == "" {
		environment = append(environment, "KUBECONFIG="+l.kubeconfig)
	}
	return syscall.Exec(l.kube, append([]string{l.kube}, args...), environment)
}

// supervise runs the role that args ask for until a signal ends it, then stops all components.
func supervise(log *slog.Logger, args []string) error {
	o, err := parseOptions(args, os.Getenv)
	if err != nil {
		return err
	}
	if len(o.ignored) > 0 {
		log.Info("arguments without a meaning here are ignored", "arguments", o.ignored)
	}
	n, err := newNode(o, nodeLayout(), log)
	if err != nil {
		return err
	}
	log.Info("starting", "role", o.role, "node", n.name, "address", n.ip)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if o.role == roleServer {
		err = n.runServer(ctx)
	} else {
		err = n.runAgent(ctx)
	}
	if ctx.Err() != nil {
		err = nil // what was interrupted is no failure
	}
	log.Info("stopping", "node", n.name)
	limited, cancelStop := context.WithTimeout(context.Background(), stopTime)
	defer cancelStop()
	n.sup.stop(limited)
	return err
}
