package main

import (
	"path/filepath"
	"strings"
)

// call is what the wrapper has to know of one call of runc.
type call struct {
	file string   // holds the description of the process to start; "" when none is to be edited
	path []string // where in that file its capabilities are
}

// parseCall reads runc's command line: global options, a command, the command's options.
func parseCall(args []string) call {
	var command, process string
	bundle := "."
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		take := func() string {
			if !joined && i+1 < len(args) {
				i++
				return args[i]
			}
			return value
		}
		switch {
		case name == "--root" || name == "--log" || name == "--log-format" || name == "--rootless" || name == "--criu":
			take()
		case command == "" && !strings.HasPrefix(name, "-"):
			command = name
		case name == "--bundle" || name == "-b":
			bundle = take()
		case name == "--process" || name == "-p":
			process = take()
		}
	}
	switch {
	case command == "create" || command == "run":
		return call{file: filepath.Join(bundle, "config.json"), path: []string{"process", "capabilities"}}
	case command == "exec" && process != "":
		return call{file: process, path: []string{"capabilities"}}
	}
	return call{}
}
