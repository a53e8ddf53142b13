// Command runc stands between a container engine and the real runc, as the engine's default runtime.
//
// A privileged container asks for every capability that the kernel knows, and fails to start when this
// machine's own bounding set lacks one of them, as it does inside many virtual machines and containers.
// This command takes the capabilities that cannot be granted out of the bundle's config.json (create, run)
// or of the --process file (exec), and then replaces itself by the next runc on PATH.
package main
