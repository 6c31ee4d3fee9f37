package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Formats of the log.
const (
	formatAuto    = "auto"
	formatText    = "text"
	formatJSON    = "json"
	formatJournal = "journal"
)

// newLogger returns a logger that writes lines of a format to w, which is
// standard error when the format is to be found out.
func newLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: must be debug, info, warn or error", level)
	}
	if format == formatAuto {
		format = findFormat()
	}
	opts := &slog.HandlerOptions{Level: least}
	switch format {
	case formatText:
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case formatJSON:
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case formatJournal:
		opts.ReplaceAttr = withoutTime
		lines := slog.NewTextHandler(journalWriter{w}, opts)
		if !isJournal(os.Getenv("JOURNAL_STREAM"), os.Stderr) {
			return slog.New(lines), nil // whoever reads them knows sd-daemon(3)
		}
		return slog.New(&journalHandler{least: least, send: journal.Send, other: lines}), nil
	}
	return nil, fmt.Errorf("--log-format %q: must be text, json, journal or auto", format)
}

// findFormat returns the format that suits standard error.
func findFormat() string {
	switch {
	case isJournal(os.Getenv("JOURNAL_STREAM"), os.Stderr):
		return formatJournal
	case term.IsTerminal(int(os.Stderr.Fd())):
		return formatText
	}
	return formatJSON
}

// isJournal reports whether f is the stream that systemd connected to the
// journal: JOURNAL_STREAM has its device and inode, systemd.exec(5). The variable
// alone proves nothing, for children inherit it.
func isJournal(stream string, f *os.File) bool {
	var st unix.Stat_t
	if stream == "" || unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// withoutTime drops the time, which the journal adds itself.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// journalWriter turns the level that a line begins with into the prefix that
// sd-daemon(3) defines.
type journalWriter struct{ w io.Writer }

// Write implements [io.Writer]. A line comes in one call.
func (j journalWriter) Write(line []byte) (int, error) {
	rest, ok := bytes.CutPrefix(line, []byte(slog.LevelKey+"="))
	level, text, found := bytes.Cut(rest, []byte(" "))
	if !ok || !found {
		return j.w.Write(line)
	}
	if _, err := j.w.Write(append([]byte(priority(string(level))), text...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// priority is the prefix for a level, as slog writes it: "WARN", "INFO+2".
func priority(level string) string {
	switch name, _, _ := strings.Cut(level, "+"); name {
	case "ERROR":
		return "<3>"
	case "WARN":
		return "<4>"
	case "INFO":
		return "<6>"
	}
	return "<7>"
}
