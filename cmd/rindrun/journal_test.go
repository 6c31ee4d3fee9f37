package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"
)

type journalled struct {
	Message  string
	Priority journal.Priority
	Fields   map[string]string
}

func TestJournalFields(t *testing.T) {
	var got []journalled
	h := &journalHandler{least: slog.LevelInfo, other: slog.DiscardHandler, send: func(m string, p journal.Priority, f map[string]string) error {
		got = append(got, journalled{m, p, f})
		return nil
	}}
	log := slog.New(h)
	log.Debug("too little")
	log.Info("state changed", slog.String("socket", "web@http"), slog.String("cause", "plan start"))
	log.With(slog.String("service", "web@app")).WithGroup("exit").Warn("ended", slog.Int("code", 3), slog.Group("of", slog.String("who_ever", "a\nb")))
	log.Error("bad", slog.Any("error", errors.New("x=y")))
	want := []journalled{
		{"state changed socket=web@http cause=\"plan start\"", journal.PriInfo, map[string]string{
			"SYSLOG_IDENTIFIER": "rindrun", "MESSAGE_ID": transitionID, "RIND_SOCKET": "web@http", "RIND_CAUSE": "plan start",
		}},
		{`ended service=web@app exit.code=3 exit.of.who_ever="a\nb"`, journal.PriWarning, map[string]string{
			"SYSLOG_IDENTIFIER": "rindrun", "RIND_SERVICE": "web@app", "RIND_EXIT_CODE": "3", "RIND_EXIT_OF_WHO_EVER": "a\nb",
		}},
		{`bad error="x=y"`, journal.PriErr, map[string]string{"SYSLOG_IDENTIFIER": "rindrun", "RIND_ERROR": "x=y"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What the journal does not take is not lost.
func TestJournalIsAway(t *testing.T) {
	var out bytes.Buffer
	h := &journalHandler{
		least: slog.LevelInfo, other: slog.NewTextHandler(&out, nil),
		send: func(string, journal.Priority, map[string]string) error { return errors.New("away") },
	}
	slog.New(h).With(slog.String("service", "web@app")).Info("started", slog.Int("pid", 7))
	if text := out.String(); !strings.Contains(text, "msg=started service=web@app pid=7") {
		t.Errorf("the other handler wrote %q", text)
	}
}

func TestFieldName(t *testing.T) {
	for key, want := range map[string]string{
		"socket": "RIND_SOCKET", "last_error": "RIND_LAST_ERROR", "fd.name": "RIND_FD_NAME", "é": "RIND__",
		strings.Repeat("a", 100): "RIND_" + strings.Repeat("A", 59),
	} {
		if got := fieldName(key); got != want {
			t.Errorf("fieldName(%q) = %q, want %q", key, got, want)
		}
	}
}
