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

	lines []int // offsets of line starts; built on first use
}

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
	return i + 1, utf8.RuneCount(f.Text[f.lines[i]:offset]) + 1
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
