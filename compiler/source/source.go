// Package source has input files, byte spans in them, and the places of keys
// and values whose spans are only looked up when somebody wants to see them.
package source

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// BOM is the mark that some editors write at the start of a UTF-8 file. It is
// no character of the first line: columns are counted behind it.
const BOM = "\ufeff"

// File is one input file. The first position that is asked for builds a table
// of its lines, so a File has one user at a time.
type File struct {
	Name string // as diagnostics and the plan show it
	Text []byte

	lines   []int          // offsets of line starts; built on first use
	columns map[int][]mark // of long lines, by index in lines; as far as they were asked for
}

// mark is a place in a line whose column is known. Counting from the start of a
// line of megabytes for each of a thousand findings would take minutes.
type mark struct{ at, column int }

// stride is how many bytes there are from one mark to the next.
const stride = 4 << 10

// Span is a range of bytes of a file, End excluded.
type Span struct {
	File       *File
	Start, End int
}

// IsZero reports whether s is no span.
func (s Span) IsZero() bool { return s.File == nil }

// Position returns the line and the column of a byte offset, both from 1. The
// column counts characters; an invalid byte counts as one. An offset outside
// the file means its nearer end.
func (f *File) Position(offset int) (line, col int) {
	f.index()
	offset = min(max(offset, f.lines[0]), len(f.Text))
	i := sort.SearchInts(f.lines, offset+1) - 1
	return i + 1, f.column(i, offset)
}

func (f *File) column(line, offset int) int {
	start := f.lines[line]
	n := (offset - start) / stride
	if n == 0 {
		return utf8.RuneCount(f.Text[start:offset]) + 1
	}
	marks := f.columns[line]
	if len(marks) == 0 {
		marks = []mark{{start, 1}}
	}
	for len(marks) <= n {
		last := marks[len(marks)-1]
		at := characterAt(f.Text, start+len(marks)*stride)
		marks = append(marks, mark{at, last.column + utf8.RuneCount(f.Text[last.at:at])})
	}
	if f.columns == nil {
		f.columns = map[int][]mark{}
	}
	f.columns[line] = marks
	m := marks[n]
	if m.at > offset { // inside of the character before the mark
		m = marks[n-1]
	}
	return m.column + utf8.RuneCount(f.Text[m.at:offset])
}

// characterAt returns where the first character that begins at offset, or behind
// it, begins.
func characterAt(text []byte, offset int) int {
	at := offset
	for at < len(text) && at-offset < utf8.UTFMax-1 && !utf8.RuneStart(text[at]) {
		at++
	}
	return at
}

// Line returns the text of a line, counted from 1, without its end. A line that
// the file does not have is empty.
func (f *File) Line(n int) []byte {
	start := f.LineStart(n)
	end := len(f.Text)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return bytes.TrimSuffix(f.Text[start:max(start, end)], []byte("\r"))
}

// LineStart returns the offset of the first character of a line, counted from
// 1. A line that the file does not have starts at the end.
func (f *File) LineStart(n int) int {
	f.index()
	if n < 1 || n > len(f.lines) {
		return len(f.Text)
	}
	return f.lines[n-1]
}

func (f *File) index() {
	if f.lines != nil {
		return
	}
	first := 0
	if bytes.HasPrefix(f.Text, []byte(BOM)) {
		first = len(BOM)
	}
	f.lines = append(make([]int, 0, 1+bytes.Count(f.Text, []byte("\n"))), first)
	for i, c := range f.Text {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
}

// Part says which half of a key = value pair a place means.
type Part uint8

// Parts of a key = value pair.
const (
	OfValue Part = iota
	OfKey
)

// Step is one step of the path from a unit to a value inside it: a key, or an
// index when Key is "". (TOML allows "" as a key too; a Step with neither means
// that key where the value is a table.)
type Step struct {
	Key   string
	Index int
}
