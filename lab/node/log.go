package main

import (
	"io"
	"log/slog"
	"strings"
)

// levelFatal ends the process. k3d takes a last line with level=fatal as a crash after which
// the container starts again, and goes on waiting.
const levelFatal = slog.Level(12)

// newLogger writes lines as k3s does: time=… level=info msg="…" key=value.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key != slog.LevelKey {
				return a
			}
			level, _ := a.Value.Any().(slog.Level)
			if level == levelFatal {
				return slog.String(slog.LevelKey, "fatal")
			}
			return slog.String(slog.LevelKey, strings.ToLower(level.String()))
		},
	}))
}
