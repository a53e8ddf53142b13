package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	if err := prepare(os.Args[1:], "/proc/self/status"); err != nil {
		// The real runc meets the same file and reports on it where the engine looks.
		fmt.Fprintln(os.Stderr, "runc wrapper: capabilities are left as they are:", err)
	}
	self, err := os.Executable()
	if err == nil {
		var wrapped string
		if wrapped, err = findRunc(self, filepath.SplitList(os.Getenv("PATH"))); err == nil {
			err = syscall.Exec(wrapped, append([]string{"runc"}, os.Args[1:]...), os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "runc wrapper:", err)
	os.Exit(1)
}

// prepare edits the file that the call's arguments name, if they name one.
func prepare(args []string, statusFile string) error {
	call := parseCall(args)
	if call.file == "" {
		return nil
	}
	status, err := os.ReadFile(statusFile)
	if err != nil {
		return fmt.Errorf("read the bounding set: %w", err)
	}
	bounding, err := parseBounding(status)
	if err != nil {
		return fmt.Errorf("%s: %w", statusFile, err)
	}
	before, err := os.ReadFile(call.file)
	if err != nil {
		return fmt.Errorf("read the process to start: %w", err)
	}
	after, changed, err := dropCapabilities(before, call.path, bounding)
	if err != nil {
		return fmt.Errorf("%s: %w", call.file, err)
	}
	if !changed {
		return nil
	}
	return os.WriteFile(call.file, after, 0o600)
}

// findRunc gives the first runc in dirs that is not this command itself.
func findRunc(self string, dirs []string) (string, error) {
	own, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, "runc")
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 || os.SameFile(own, info) {
			continue
		}
		return file, nil
	}
	return "", errors.New("no runc found on PATH: install the package runc")
}
