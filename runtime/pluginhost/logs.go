package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// What is taken over of the output of one plugin. The rest is read, so that the
// plugin does not block, and dropped.
const (
	maxLine      = 4096 // bytes of a line
	maxLineRate  = 200  // lines per second, and how many may come at once
	maxLogFields = 16   // of a line of JSON
	maxLogValue  = 256  // bytes of such a field
)

// logSink logs the lines of one plugin process.
type logSink struct {
	log *slog.Logger // has the plugin's name

	mu      sync.Mutex
	bucket  bucket
	dropped uint64 // lines since the last report
	last    string // the last line that says something; of a panic, the first
	panics  bool   // the lines of a panic have begun
}

func newLogSink(log *slog.Logger) *logSink {
	return &logSink{log: log, bucket: bucket{tokens: maxLineRate}}
}

// line logs one line, or counts it when there have been too many.
func (s *logSink) line(ctx context.Context, line []byte, now time.Time) {
	line = bytes.TrimRight(line, "\r\n")
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bucket.take(now) {
		s.dropped++
		return
	}
	s.reportDropped(ctx)
	e := parseLine(line)
	if !s.panics && e.level > slog.LevelDebug {
		s.last = e.text
	}
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		s.panics = true
	}
	if s.panics {
		e.level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("text", e.text)}
	if len(e.fields) > 0 {
		attrs = append(attrs, slog.Attr{Key: "fields", Value: slog.GroupValue(e.fields...)})
	}
	s.log.LogAttrs(ctx, e.level, "plugin output", attrs...)
}

// flush reports what was dropped at the end.
func (s *logSink) flush(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportDropped(ctx)
}

func (s *logSink) reportDropped(ctx context.Context) {
	if s.dropped == 0 {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "plugin output dropped, it writes too much",
		slog.Uint64("lines", s.dropped), slog.Int("lines_per_second", maxLineRate))
	s.dropped = 0
}

// lastLine returns the line that says best why the plugin ended.
func (s *logSink) lastLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// bucket lets maxLineRate events a second pass, and as many at once.
type bucket struct {
	tokens float64
	last   time.Time
}

// take reports whether one more event may pass.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*maxLineRate, maxLineRate)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// lineWriter cuts one stream into lines for a sink. Of a line longer than
// maxLine only the beginning is kept.
type lineWriter struct {
	ctx  context.Context // for the log handler only
	sink *logSink
	buf  []byte
	skip bool // the rest of a line that was too long
}

func newLineWriter(ctx context.Context, sink *logSink) *lineWriter {
	return &lineWriter{ctx: context.WithoutCancel(ctx), sink: sink}
}

// Write implements io.Writer; it never fails.
func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		chunk, rest, whole := bytes.Cut(p, []byte{'\n'})
		if !w.skip {
			w.buf = append(w.buf, chunk[:min(len(chunk), maxLine+1-len(w.buf))]...)
		}
		switch {
		case whole && w.skip:
			w.skip = false
		case whole:
			w.emit()
		case len(w.buf) > maxLine:
			w.emit()
			w.skip = true
		}
		p = rest
	}
	return n, nil
}

// end logs what came after the last newline.
func (w *lineWriter) end() {
	if len(w.buf) > 0 {
		w.emit()
	}
}

func (w *lineWriter) emit() {
	w.sink.line(w.ctx, w.buf, time.Now())
	w.buf = w.buf[:0]
}

// entry is what a line says.
type entry struct {
	level  slog.Level
	text   string
	fields []slog.Attr
}

// parseLine reads a line as hclog or slog write it in JSON, and takes any other
// for plain text. Nothing about the line is believed.
func parseLine(line []byte) entry {
	plain := entry{level: slog.LevelInfo, text: clean(string(line), maxLine)}
	if len(line) == 0 || line[0] != '{' {
		return plain
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return plain
	}
	text, ok := takeString(fields, "@message", "msg")
	if !ok {
		return plain
	}
	e := entry{level: slog.LevelInfo, text: clean(text, maxLine)}
	if name, ok := takeString(fields, "@level", "level"); ok {
		e.level = parseLevel(name)
	}
	for _, key := range []string{"@timestamp", "time"} {
		delete(fields, key) // the handler has its own
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if len(e.fields) == maxLogFields {
			break
		}
		value := string(fields[key])
		if s, ok := asString(fields[key]); ok {
			value = s
		}
		e.fields = append(e.fields, slog.Attr{
			Key:   clean(key, maxLogValue),
			Value: slog.StringValue(clean(value, maxLogValue)),
		})
	}
	return e
}

// takeString removes the first of keys that is a string, and returns it.
func takeString(fields map[string]json.RawMessage, keys ...string) (string, bool) {
	for _, key := range keys {
		if s, ok := asString(fields[key]); ok {
			delete(fields, key)
			return s, true
		}
	}
	return "", false
}

func asString(raw json.RawMessage) (string, bool) {
	var s *string // null is no string
	if len(raw) == 0 || json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// parseLevel reads a level of hclog or slog. One that is not known is info.
func parseLevel(name string) slog.Level {
	switch strings.ToLower(name) {
	case "trace":
		return slog.LevelDebug - 4
	case "debug":
		return slog.LevelDebug
	case "warn", "warning":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
