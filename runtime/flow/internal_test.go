package flow

import "testing"

// TestWant shows that starts which wait for the end of a stop do not pile up: a
// signal may come any number of times while a service takes its time to end.
func TestWant(t *testing.T) {
	nobody, somebody := why{text: "condition"}, why{from: Request{ID: 1}}
	tests := []struct {
		name string
		list []why
		w    why
		want int
	}{
		{name: "the first", w: nobody, want: 1},
		{name: "nobody waits for another", list: []why{nobody}, w: nobody, want: 1},
		{name: "somebody started it already", list: []why{somebody}, w: nobody, want: 1},
		{name: "somebody waits", list: []why{nobody}, w: somebody, want: 2},
		{name: "everybody gets an answer", list: []why{somebody}, w: somebody, want: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := len(want(tt.list, tt.w)); got != tt.want {
				t.Errorf("want() leaves %d starts, want %d", got, tt.want)
			}
		})
	}
}
