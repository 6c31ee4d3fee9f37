package daemon

import (
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
}
