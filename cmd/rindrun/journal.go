package main

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// transitionID is the MESSAGE_ID of "state changed", systemd.journal-fields(7), so
// that all transitions can be asked for. Documented in docs/observation.md.
const transitionID = "e870c3e1658242bc95f9e2ab0a342a24"

// journalHandler sends records to the journal with a field for each attribute. What
// it cannot send, it gives to another handler.
type journalHandler struct {
	least slog.Level
	send  func(message string, priority journal.Priority, fields map[string]string) error
	other slog.Handler
	attrs []slog.Attr // their keys have the groups that they are in
	group string
}

// Enabled implements [slog.Handler].
func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.least }

// Handle implements [slog.Handler].
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	var message strings.Builder
	message.WriteString(r.Message)
	fields := map[string]string{"SYSLOG_IDENTIFIER": "rindrun"}
	if r.Message == "state changed" {
		fields["MESSAGE_ID"] = transitionID
	}
	for _, a := range attrs {
		value := a.Value.String()
		message.WriteString(" " + a.Key + "=" + quoted(value))
		fields[fieldName(a.Key)] = value
	}
	if err := h.send(message.String(), priorityOf(r.Level), fields); err != nil {
		return h.other.Handle(ctx, r)
	}
	return nil
}

// WithAttrs implements [slog.Handler].
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		with.attrs = flatten(with.attrs, h.group, a)
	}
	with.other = h.other.WithAttrs(attrs)
	return &with
}

// WithGroup implements [slog.Handler].
func (h *journalHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.group = h.group + name + "."
	with.other = h.other.WithGroup(name)
	return &with
}

// flatten adds an attribute, of a group each of its own.
func flatten(to []slog.Attr, group string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() != slog.KindGroup {
		if a.Key != "" {
			to = append(to, slog.Attr{Key: group + a.Key, Value: a.Value})
		}
		return to
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, member := range a.Value.Group() {
		to = flatten(to, group, member)
	}
	return to
}

// maxField is how long the journal lets names of fields be.
const maxField = 64

// fieldName returns the name of the field for an attribute: RIND_SOCKET for socket.
func fieldName(key string) string {
	name := "RIND_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), maxField)]
}

// quoted returns a value as a part of a line that people read.
func quoted(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == 0x7f }) {
		return strconv.Quote(value)
	}
	return value
}

func priorityOf(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
