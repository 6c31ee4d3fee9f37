package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLastLines(t *testing.T) {
	l := newLastLines()
	at := time.Unix(1000, 0)
	l.now = func() time.Time { at = at.Add(time.Second); return at }
	text := func(services []string, most int) string {
		var list []string
		for _, line := range l.last(services, most) {
			list = append(list, line.GetService()+":"+string(line.GetText()))
		}
		return strings.Join(list, " ")
	}
	buf := []byte("a")
	l.add("w@app", 1, buf)
	buf[0] = 'x' // the caller's
	l.add("w@many[1]", 2, []byte("b"))
	l.add("w@app", 1, []byte("c"))
	l.add("w@many[2]", 3, []byte("d"))
	for _, tt := range []struct {
		name     string
		services []string
		most     int
		want     string
	}{
		{"one", []string{"w@app"}, 0, "w@app:a w@app:c"},
		{"the last", []string{"w@app"}, 1, "w@app:c"},
		{"all instances", []string{"w@many"}, 0, "w@many[1]:b w@many[2]:d"},
		{"one instance", []string{"w@many[2]"}, 0, "w@many[2]:d"},
		{"in order", []string{"w@many", "w@app"}, 0, "w@app:a w@many[1]:b w@app:c w@many[2]:d"},
		{"nobody", nil, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := text(tt.services, tt.most); got != tt.want {
				t.Errorf("last(%q, %d) = %q, want %q", tt.services, tt.most, got, tt.want)
			}
		})
	}
	l.forget(func(service string) bool { return service == "w@app" })
	if got := text([]string{"w@app", "w@many"}, 0); got != "w@app:a w@app:c" {
		t.Errorf("after a reload without w@many there is %q", got)
	}
}

func TestLastLinesAreBounded(t *testing.T) {
	l := newLastLines()
	for range keptLines + 10 {
		l.add("w@short", 1, []byte("x"))
	}
	if n := len(l.last([]string{"w@short"}, 0)); n != keptLines {
		t.Errorf("%d lines are kept, want %d", n, keptLines)
	}
	long := make([]byte, 8<<10)
	for range 100 {
		l.add("w@long", 1, long)
	}
	if n := len(l.last([]string{"w@long"}, 0)); n != keptBytes/len(long) {
		t.Errorf("%d long lines are kept, want %d", n, keptBytes/len(long))
	}
	if len(l.all) > 2*keptLines+1024 {
		t.Errorf("%d lines are remembered, and two services can have %d", len(l.all), 2*keptLines)
	}
}

// Connections come and go without end, each with an instance of its own.
func TestLastLinesOfInstances(t *testing.T) {
	l := newLastLines()
	const instances = 5 * keptLines
	for i := range instances {
		l.add(fmt.Sprintf("w@app[%d]", i), 1, []byte("x"))
	}
	lines := l.last([]string{"w@app"}, 0)
	if len(l.of) != 1 || len(lines) != keptLines {
		t.Fatalf("%d lines of %d services are kept, want %d of one", len(lines), len(l.of), keptLines)
	}
	newest := fmt.Sprintf("w@app[%d]", instances-1)
	if got := lines[len(lines)-1].GetService(); got != newest {
		t.Errorf("the newest line is of %s, want %s", got, newest)
	}
	if got := l.last([]string{newest}, 0); len(got) != 1 {
		t.Errorf("%d lines of %s, want 1", len(got), newest)
	}
}

// Of many services that print much, the oldest lines go first, whosever they are.
func TestLastLinesOfAll(t *testing.T) {
	l := newLastLines()
	l.add("w@first", 1, []byte("x"))
	long := make([]byte, 64<<10)
	services := 0
	for ; services < 2*keptCost/keptBytes; services++ {
		for range keptBytes / len(long) {
			l.add(fmt.Sprintf("w@s%d", services), 1, long)
		}
	}
	if l.cost > keptCost || l.cost < keptCost-len(long)-lineCost {
		t.Errorf("the lines cost %d bytes, want %d at most and hardly less", l.cost, keptCost)
	}
	if got := l.last([]string{"w@first", "w@s0"}, 0); len(got) != 0 {
		t.Errorf("%d of the oldest lines are left", len(got))
	}
	if got := l.last([]string{fmt.Sprintf("w@s%d", services-1)}, 0); len(got) != keptBytes/len(long) {
		t.Errorf("%d of the newest lines are left", len(got))
	}
	l.forget(func(string) bool { return false })
	if l.cost != 0 || len(l.all) != 0 || len(l.of) != 0 {
		t.Errorf("nothing is a service any more, and the lines cost %d bytes: %d of %d services", l.cost, len(l.all), len(l.of))
	}
}
