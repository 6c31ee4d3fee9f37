package main

import (
	"slices"
	"strings"
	"unicode/utf8"
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

	// minor are the columns that a narrow terminal does without, the first one first.
	minor []int
}

// gap is between two columns.
const gap = 2

// print prints the table, unless it is empty. The last column is not filled up. Where
// that is too wide for the terminal, the last column gets lines of its own below the
// others; if that is not enough, minor columns are left out.
func (t *table) print(w *printer, on screen) {
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
	columns := make([]int, len(head))
	for i := range columns {
		columns[i] = i
	}
	last := len(head) - 1
	below := last > 1 && !on.hasRoom(width, columns)
	if below {
		columns = columns[:last]
		for _, c := range t.minor {
			if !on.hasRoom(width, columns) {
				columns = slices.DeleteFunc(columns, func(i int) bool { return i == c })
			}
		}
	}
	for n, row := range rows {
		w.printf("%s\n", line(row, columns, width, on.colour))
		if below && n > 0 && row[last].text != "-" {
			w.printf("    %s\n", row[last].text)
		}
	}
}

// hasRoom reports whether columns of these widths fit side by side.
func (s screen) hasRoom(width, columns []int) bool {
	sum := gap * (len(columns) - 1)
	for _, i := range columns {
		sum += width[i]
	}
	return s.columns == 0 || sum <= s.columns
}

// line is a row of a table with some of its columns.
func line(row []cell, columns, width []int, colour bool) string {
	var text strings.Builder
	for n, i := range columns {
		painted(&text, row[i], colour)
		if n < len(columns)-1 {
			text.WriteString(strings.Repeat(" ", width[i]-utf8.RuneCountInString(row[i].text)+gap))
		}
	}
	return text.String()
}

func painted(to *strings.Builder, c cell, colour bool) {
	if !colour || c.style == plain || c.text == "" {
		to.WriteString(c.text)
		return
	}
	to.WriteString("\x1b[" + string(c.style) + "m" + c.text + "\x1b[0m")
}
