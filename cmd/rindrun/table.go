package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// style is how a cell of a table looks on a terminal that has colours.
type style string

// Styles, as parameters of SGR (ECMA-48, 8.3.117).
const (
	plain  style = ""
	strong style = "1"
	faint  style = "2"
	bad    style = "1;31"
	good   style = "32"
	uneasy style = "33"
)

// styleOf is how the state of a unit looks.
func styleOf(state string) style {
	switch state {
	case "failed":
		return bad
	case "paused", "starting", "stopping", "waiting":
		return uneasy
	case "listening", "held", "active", "running":
		return good
	}
	return faint
}

// urgency orders units: what an operator looks for at night comes first.
func urgency(state string) int {
	of := styleOf(state)
	if of == bad {
		return 0
	}
	if of == uneasy {
		return 1
	}
	return 2
}

// coloured reports whether what is written shows colours: only a terminal does, and
// not if NO_COLOR (no-color.org) or TERM forbid it.
func coloured(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// cell is one place of a table. Its text is printable.
type cell struct {
	text  string
	style style
}

// cells are the places of a row without a style.
func cells(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	return row
}

// table is text in columns under a header.
type table struct {
	header []string
	rows   [][]cell
}

// print prints the table, unless it is empty. The last column is not filled up.
func (t *table) print(w *printer, colour bool) {
	if len(t.rows) == 0 {
		return
	}
	head := cells(t.header...)
	for i := range head {
		head[i].style = strong
	}
	rows := append([][]cell{head}, t.rows...)
	width := make([]int, len(head))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.text))
		}
	}
	var line strings.Builder
	for _, row := range rows {
		line.Reset()
		for i, c := range row {
			painted(&line, c, colour)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		w.printf("%s\n", line.String())
	}
}

func painted(to *strings.Builder, c cell, colour bool) {
	if !colour || c.style == plain || c.text == "" {
		to.WriteString(c.text)
		return
	}
	to.WriteString("\x1b[" + string(c.style) + "m" + c.text + "\x1b[0m")
}
