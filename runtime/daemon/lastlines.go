package daemon

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// How much of what services print is kept, for whoever asks soon enough: the log has
// all of it.
const (
	keptLines  = 1000      // of one service
	keptBytes  = 256 << 10 // of one service
	shownBytes = 4 << 20   // of all that one request is about
)

// lastLines keeps the last lines of each service.
type lastLines struct {
	now func() time.Time

	mu sync.Mutex
	of map[string]*tail
}

// tail are the last lines of one service, the oldest first.
type tail struct {
	lines []*controlv1.LogLine // read-only, since answers have them too
	bytes int
}

func newLastLines() *lastLines { return &lastLines{now: time.Now, of: map[string]*tail{}} }

// add keeps a line, which the caller may overwrite afterwards.
func (l *lastLines) add(service string, pid int, text []byte) {
	line := &controlv1.LogLine{Service: service, Pid: int32(pid), UnixMicros: l.now().UnixMicro(), Text: bytes.Clone(text)}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of[service]
	if t == nil {
		t = &tail{}
		l.of[service] = t
	}
	t.lines = append(t.lines, line)
	t.bytes += len(text)
	n := 0
	for len(t.lines)-n > keptLines || t.bytes > keptBytes {
		t.bytes -= len(t.lines[n].GetText())
		n++
	}
	t.lines = slices.Delete(t.lines, 0, n)
}

// last returns the last lines of some services, at most so many of each, 0 being all,
// in the order in which they were printed. A service stands for its instances.
func (l *lastLines) last(services []string, most int) []*controlv1.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*controlv1.LogLine
	for name, t := range l.of {
		whole, _, _ := strings.Cut(name, "[")
		if !slices.Contains(services, name) && !slices.Contains(services, whole) {
			continue
		}
		lines := t.lines
		if most > 0 && len(lines) > most {
			lines = lines[len(lines)-most:]
		}
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, func(a, b *controlv1.LogLine) int {
		return cmp.Or(cmp.Compare(a.GetUnixMicros(), b.GetUnixMicros()), cmp.Compare(a.GetService(), b.GetService()))
	})
	size := 0
	for i, line := range slices.Backward(all) {
		if size += len(line.GetText()); size > shownBytes {
			return all[i+1:]
		}
	}
	return all
}

// forget drops what services have printed that are none any more.
func (l *lastLines) forget(is func(service string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.of {
		if whole, _, _ := strings.Cut(name, "["); !is(whole) {
			delete(l.of, name)
		}
	}
}
