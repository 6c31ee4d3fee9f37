package transport

import (
	"io"
	"log/slog"
	"strings"
)

// timeFormat is the one that readers of hclog's JSON expect.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// newLogger returns a logger that writes the JSON lines that hosts built on
// go-plugin understand.
func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) > 0 {
				return a
			}
			switch a.Key {
			case slog.TimeKey:
				return slog.String("@timestamp", a.Value.Time().Format(timeFormat))
			case slog.LevelKey:
				return slog.String("@level", strings.ToLower(a.Value.String()))
			case slog.MessageKey:
				return slog.String("@message", a.Value.String())
			}
			return a
		},
	}))
}
