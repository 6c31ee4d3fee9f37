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
	keptLines  = 1000      // of one service with all its instances
	keptBytes  = 256 << 10 // of one service with all its instances
	keptCost   = 32 << 20  // of all services together
	lineCost   = 192       // of a line beside its text
	shownBytes = 4 << 20   // of all that one request is about
)

// lastLines keeps the last lines of each service.
type lastLines struct {
	now func() time.Time

	mu   sync.Mutex
	of   map[string]*tail // by the name of the service; instances come and go without end
	all  []kept           // the oldest first, those that are dropped in between
	cost int              // of the lines in of
}

// tail are the last lines of one service, the oldest first.
type tail struct {
	lines   []*controlv1.LogLine // read-only, since answers have them too
	bytes   int
	dropped int // lines before the first one
}

// kept is a line by its number in its tail.
type kept struct {
	tail   *tail
	number int
}

func newLastLines() *lastLines { return &lastLines{now: time.Now, of: map[string]*tail{}} }

// add keeps a line of a service or an instance. The caller may overwrite the text
// afterwards.
func (l *lastLines) add(title string, pid int, text []byte) {
	line := &controlv1.LogLine{Service: title, Pid: int32(pid), UnixMicros: l.now().UnixMicro(), Text: bytes.Clone(text)}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of[wholeService(title)]
	if t == nil {
		t = &tail{}
		l.of[wholeService(title)] = t
	}
	l.all = append(l.all, kept{t, t.dropped + len(t.lines)})
	t.lines = append(t.lines, line)
	t.bytes += len(text)
	l.cost += lineCost + len(text)
	n := 0
	for size := t.bytes; len(t.lines)-n > keptLines || size > keptBytes; n++ {
		size -= len(t.lines[n].GetText())
	}
	l.drop(t, n)
	for l.cost > keptCost {
		oldest := l.all[0]
		l.all = l.all[1:]
		if oldest.number >= oldest.tail.dropped {
			l.drop(oldest.tail, 1)
		}
	}
	if len(l.all) > 1024 && len(l.all) > 2*l.cost/lineCost {
		l.tidy()
	}
}

// drop drops the oldest n lines of a service.
func (l *lastLines) drop(t *tail, n int) {
	for _, line := range t.lines[:n] {
		t.bytes -= len(line.GetText())
		l.cost -= lineCost + len(line.GetText())
	}
	t.lines = slices.Delete(t.lines, 0, n)
	t.dropped += n
}

// tidy takes out of the list of all lines those that are dropped already.
func (l *lastLines) tidy() {
	l.all = slices.DeleteFunc(l.all, func(k kept) bool { return k.number < k.tail.dropped })
}

// wholeService is the service of an instance.
func wholeService(title string) string {
	whole, _, _ := strings.Cut(title, "[")
	return whole
}

// last returns the last lines of some services or instances, at most so many of each, 0
// being all, in the order in which they were printed. A service stands for its
// instances.
func (l *lastLines) last(titles []string, most int) []*controlv1.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*controlv1.LogLine
	for name, t := range l.of {
		lines := t.lines
		if !slices.Contains(titles, name) {
			lines = nil
			for _, line := range t.lines {
				if slices.Contains(titles, line.GetService()) {
					lines = append(lines, line)
				}
			}
		}
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
	for name, t := range l.of {
		if !is(name) {
			l.drop(t, len(t.lines))
			delete(l.of, name)
		}
	}
	l.tidy()
}
