package format

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// around is how many unchanged lines a hunk shows on each side of a change.
const around = 3

// Diff returns the unified diff from before to after, both called name, or ""
// when they are equal. It is not always the shortest: lines that occur once in
// each text are the anchors, with the equal lines next to them.
func Diff(name, before, after string) string {
	if before == after {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	edits := edits(lines(before), lines(after))
	for at := 0; ; {
		first := nextChange(edits, at)
		if first == len(edits) {
			return out.String()
		}
		end := first
		for next := first; next < len(edits) && next-end <= 2*around+1; next = nextChange(edits, next+1) {
			end = next
		}
		from, to := max(first-around, at), min(end+1+around, len(edits))
		writeHunk(&out, edits[from:to])
		at = to
	}
}

// lines splits text behind its line feeds.
func lines(text string) []string {
	all := strings.SplitAfter(text, "\n")
	if last := len(all) - 1; all[last] == "" {
		all = all[:last]
	}
	return all
}

// edit is a line that stays ' ', goes '-', or comes '+'.
type edit struct {
	mark byte
	line string
	a, b int // lines of both texts above it
}

func edits(before, after []string) []edit {
	var out []edit
	a, b := 0, 0
	for _, m := range matches(before, after) {
		for ; a < m.a; a++ {
			out = append(out, edit{'-', before[a], a, b})
		}
		for ; b < m.b; b++ {
			out = append(out, edit{'+', after[b], a, b})
		}
		for range m.n {
			out = append(out, edit{' ', before[a], a, b})
			a++
			b++
		}
	}
	return out
}

func nextChange(edits []edit, at int) int {
	for at < len(edits) && edits[at].mark == ' ' {
		at++
	}
	return at
}

func writeHunk(out *strings.Builder, hunk []edit) {
	a, b := 0, 0
	for _, e := range hunk {
		if e.mark != '+' {
			a++
		}
		if e.mark != '-' {
			b++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(hunk[0].a, a), span(hunk[0].b, b))
	for _, e := range hunk {
		out.WriteByte(e.mark)
		out.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// span is the range of n lines in the header of a hunk. An empty range has the
// number of the line above it.
func span(above, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", above)
	}
	return fmt.Sprintf("%d,%d", above+1, n)
}

// match says that n lines from a of one text are those from b of the other.
type match struct{ a, b, n int }

// matches returns the matches of two texts in order. The last one ends both.
func matches(before, after []string) []match {
	var out []match
	doneA, doneB := 0, 0
	add := func(a, b int) {
		if a < doneA || b < doneB {
			return // part of the last match
		}
		m := match{a: a, b: b}
		for m.a > doneA && m.b > doneB && before[m.a-1] == after[m.b-1] {
			m.a--
			m.b--
		}
		for a < len(before) && b < len(after) && before[a] == after[b] {
			a++
			b++
		}
		m.n = a - m.a
		out = append(out, m)
		doneA, doneB = a, b
	}
	add(0, 0)
	for _, m := range anchors(before, after) {
		add(m.a, m.b)
	}
	add(len(before), len(after))
	return out
}

// anchors returns the longest rising sequence of the lines that occur once in
// each text.
func anchors(before, after []string) []match {
	type places struct{ a, b, inA, inB int }
	seen := make(map[string]*places, len(before))
	for i, line := range before {
		p := seen[line]
		if p == nil {
			p = &places{}
			seen[line] = p
		}
		p.a = i
		p.inA++
	}
	for i, line := range after {
		if p := seen[line]; p != nil {
			p.b = i
			p.inB++
		}
	}
	var all []match
	for i, line := range before {
		if p := seen[line]; p.inA == 1 && p.inB == 1 {
			all = append(all, match{a: i, b: p.b})
		}
	}
	// ends has, for each length, the anchor with the smallest b that ends a
	// rising sequence of that length; previous leads back along the sequence.
	var ends []int
	previous := make([]int, len(all))
	for i, m := range all {
		n := sort.Search(len(ends), func(n int) bool { return all[ends[n]].b > m.b })
		previous[i] = -1
		if n > 0 {
			previous[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	var out []match
	for i := last(ends); i >= 0; i = previous[i] {
		out = append(out, all[i])
	}
	slices.Reverse(out)
	return out
}

func last(ends []int) int {
	if len(ends) == 0 {
		return -1
	}
	return ends[len(ends)-1]
}
