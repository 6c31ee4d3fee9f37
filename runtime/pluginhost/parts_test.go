package pluginhost

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestBreaker(t *testing.T) {
	base := time.Unix(1_000_000, 0)
	at := func(d time.Duration) time.Time { return base.Add(d) }
	type crash struct{ started, ended time.Duration }
	quick := func(n int) (all []crash) {
		for i := range n {
			d := time.Duration(i) * time.Second
			all = append(all, crash{d, d})
		}
		return all
	}
	for _, tt := range []struct {
		name    string
		crashes []crash
		want    time.Duration
	}{
		{"none", nil, 0},
		{"one fewer than too many", quick(maxCrashes - 1), 0},
		{"too many", quick(maxCrashes), minDelay},
		{"one more", quick(maxCrashes + 1), 2 * minDelay},
		{"very many", quick(50), maxDelay},
		{"too slowly", []crash{{0, 0}, {15, 15 * time.Second}, {30 * time.Second, 30 * time.Second}, {45 * time.Second, 45 * time.Second}, {60 * time.Second, 60 * time.Second}}, 0},
		{"forgotten after a long life", append(quick(50), crash{60 * time.Second, 120 * time.Second}), 0},
		{"not forgotten by waiting", append(quick(7), crash{20 * time.Minute, 20 * time.Minute}), 8 * minDelay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b breaker
			now := base
			for _, c := range tt.crashes {
				now = at(c.ended)
				b.crash(at(c.started), now)
			}
			if got := b.wait(now); got != tt.want {
				t.Errorf("wait: %v, want %v", got, tt.want)
			}
			if got := b.wait(now.Add(tt.want)); got != 0 {
				t.Errorf("wait after the wait: %v", got)
			}
			b.worked()
			b.crash(now, now)
			if got := b.wait(now); got != 0 {
				t.Errorf("wait after a process that worked: %v", got)
			}
		})
	}
}

func TestBucket(t *testing.T) {
	var passed int
	b := bucket{tokens: maxLineRate}
	now := time.Unix(1_000_000, 0)
	for range 10_000 { // in one second
		if b.take(now) {
			passed++
		}
		now = now.Add(100 * time.Microsecond)
	}
	if passed < 2*maxLineRate-2 || passed > 2*maxLineRate {
		t.Errorf("%d lines passed in the first second, want the burst and one second's worth: %d", passed, 2*maxLineRate)
	}
}

func TestParseLine(t *testing.T) {
	field := func(key, value string) slog.Attr { return slog.String(key, value) }
	for _, tt := range []struct {
		name, line string
		want       entry
	}{
		{"plain", "hello", entry{slog.LevelInfo, "hello", nil}},
		{"hclog", `{"@level":"warn","@message":"careful","@timestamp":"2024-01-01","n":1,"s":"x"}`, entry{slog.LevelWarn, "careful", []slog.Attr{field("n", "1"), field("s", "x")}}},
		{"slog", `{"time":"2024","level":"ERROR","msg":"bad","g":{"a":[1]}}`, entry{slog.LevelError, "bad", []slog.Attr{field("g", `{"a":[1]}`)}}},
		{"message of another type", `{"@message":1}`, entry{slog.LevelInfo, `{"@message":1}`, nil}},
		{"message null", `{"msg":null}`, entry{slog.LevelInfo, `{"msg":null}`, nil}},
		{"level of another type", `{"msg":"m","level":{}}`, entry{slog.LevelInfo, "m", []slog.Attr{field("level", "{}")}}},
		{"no JSON", `{"msg":"m"`, entry{slog.LevelInfo, `{"msg":"m"`, nil}},
		{"trace", `{"msg":"m","level":"trace"}`, entry{slog.LevelDebug - 4, "m", nil}},
		{"control characters", "a\x1b[2J\x00\u202eb\xff", entry{slog.LevelInfo, `a\x1b[2J\x00\u202eb\xff`, nil}},
		{"control characters in a key", `{"msg":"m","a\nb":"\u0007"}`, entry{slog.LevelInfo, "m", []slog.Attr{field(`a\nb`, `\a`)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parseLine([]byte(tt.line))
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(entry{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"@message": 1}`))
	f.Add([]byte(`{"msg":"m","level":"x","a":[{}]}`))
	f.Add([]byte("panic: x\x00"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e := parseLine(line)
		all := e.text
		for _, a := range e.fields {
			all += a.Key + a.Value.String()
		}
		if strings.ContainsFunc(all, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("control characters in %q", all)
		}
		if len(e.fields) > maxLogFields {
			t.Errorf("%d fields", len(e.fields))
		}
	})
}

// TestLineWriter cuts a stream the same way, however it comes in.
func TestLineWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "bc\n", "\n", strings.Repeat("x", maxLine-1), strings.Repeat("y", 2*maxLine), "\n"}), 0, 8).Draw(t, "text")
		stream := []byte(strings.Join(text, ""))
		logOf := func(chunk int) string {
			var out strings.Builder
			w := newLineWriter(context.Background(), newLogSink(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
				ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{}
					}
					return a
				},
			}))))
			for rest := stream; len(rest) > 0; {
				n := min(chunk, len(rest))
				if wrote, err := w.Write(rest[:n]); wrote != n || err != nil {
					t.Fatalf("write: %d, %v", wrote, err)
				}
				rest = rest[n:]
			}
			w.end()
			return out.String()
		}
		want := logOf(max(len(stream), 1))
		if got := logOf(rapid.IntRange(1, 5000).Draw(t, "chunk")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for line := range strings.Lines(want) {
			if len(line) > maxLine+100 {
				t.Errorf("a line of %d bytes", len(line))
			}
		}
	})
}

func TestCheckSocket(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, path, want string }{
		{"elsewhere", "/tmp/x", "not in its directory"},
		{"elsewhere by dots", dir + "/../x", "not in its directory"},
		{"below a directory in it", dir + "/a/b", "not in its directory"},
		{"not clean", dir + "//x", "not in its directory"},
		{"the directory", dir, "not in its directory"},
		{"missing", filepath.Join(dir, "x"), "cannot be used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantErr(t, checkSocket(dir, tt.path), tt.want)
		})
	}
}
