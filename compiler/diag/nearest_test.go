package diag

import (
	"testing"

	"pgregory.net/rapid"
)

// TestDistanceLaws measures many words with one meter, as Nearest does, and each
// again in the plainest way.
func TestDistanceLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[abä]{0,6}`), 2, 12).Draw(t, "words")
		m := meter{word: []rune(words[0])}
		for _, other := range words[1:] {
			limit := rapid.IntRange(0, 5).Draw(t, "limit")
			want := plainDistance([]rune(words[0]), []rune(other))
			got := m.distance(other, limit)
			if got != want && (want <= limit || got <= limit) {
				t.Fatalf("distance(%q, %q, %d) = %d, want %d", words[0], other, limit, got, want)
			}
		}
	})
}

// plainDistance is the definition of the distance, step by step.
func plainDistance(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	x, y := len(a)-1, len(b)-1
	changed := 1
	if a[x] == b[y] {
		changed = 0
	}
	d := min(plainDistance(a[:x], b)+1, plainDistance(a, b[:y])+1, plainDistance(a[:x], b[:y])+changed)
	if x > 0 && y > 0 && a[x] == b[y-1] && a[x-1] == b[y] {
		d = min(d, plainDistance(a[:x-1], b[:y-1])+1)
	}
	return d
}

// A name of a definition that is as long as another one is another name.
func TestMisspeltName(t *testing.T) {
	for _, tt := range []struct {
		name, near string
		fixed      bool
	}{
		{"databse", "database", true},
		{"datbaase", "database", true},
		{"Database", "database", true},
		{"web1", "web2", false},
		{"site-a", "site-b", false},
		{"offline", "online", false},
		{"prod-db", "prod", false},
	} {
		if fix := MisspeltName(tt.name, tt.near, []string{tt.near}); (fix != nil) != tt.fixed {
			t.Errorf("MisspeltName(%q, %q) = %v, want a fix: %v", tt.name, tt.near, fix, tt.fixed)
		}
	}
}
