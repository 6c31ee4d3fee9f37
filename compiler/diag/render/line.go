package render

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tabWidth = 4
	maxWidth = 120 // columns of a source line that are shown
	before   = 40  // of these, left of the mark when the line is cut
)

// marked is a source line as it is shown, and where the mark is below it, all in
// columns of a terminal.
type marked struct {
	text          string
	indent, width int
}

// cell is one character of a line as it is shown.
type cell struct {
	text  string
	width int
}

// window is how many bytes on each side of the start of a mark are looked at:
// more than a shown line can have, and little of a line of a megabyte.
const window = 2048

// layOut prepares a line whose bytes from..to are marked. At least one column is
// marked, even behind the end of the line. A long line is cut around the mark.
func layOut(line []byte, from, to int) marked {
	from = min(max(from, 0), len(line))
	to = min(max(to, from), len(line))
	begin, end := max(0, from-window), min(len(line), from+window)
	for begin > 0 && begin < from && !utf8.RuneStart(line[begin]) {
		begin++
	}
	var cells []cell
	first, last, column := -1, 0, 0
	for at := begin; at < end; {
		if at >= from && first < 0 {
			first = len(cells)
		}
		r, n := utf8.DecodeRune(line[at:])
		c := show(r, line[at:at+n], column)
		cells = append(cells, c)
		column += c.width
		at += n
		if at <= to {
			last = len(cells)
		}
	}
	if first < 0 {
		first = len(cells)
	}
	return cut(cells, first, max(last, first), begin > 0, end < len(line))
}

// cut shows the cells around first..last and marks those. left and right say
// that the line has more on that side.
func cut(cells []cell, first, last int, left, right bool) marked {
	begin, end := 0, len(cells)
	if widthOf(cells) > maxWidth {
		begin, end = around(cells, first)
	}
	prefix, suffix := "", ""
	if left || begin > 0 {
		prefix = "…"
	}
	if right || end < len(cells) {
		suffix = "…"
	}
	return mark(cells[begin:end], first-begin, min(last, end)-begin, prefix, suffix)
}

// around returns the range of cells that is shown of a line whose mark begins
// at first.
func around(cells []cell, first int) (begin, end int) {
	begin, left := first, 0
	for begin > 0 && left+cells[begin-1].width <= before {
		begin--
		left += cells[begin].width
	}
	end, all := begin, 0
	for end < len(cells) && all+cells[end].width <= maxWidth {
		all += cells[end].width
		end++
	}
	// At the end of a line there is more room on the left.
	for begin > 0 && all+cells[begin-1].width <= maxWidth {
		begin--
		all += cells[begin].width
	}
	return begin, end
}

func mark(cells []cell, first, last int, prefix, suffix string) marked {
	var b strings.Builder
	b.WriteString(prefix)
	for _, c := range cells {
		b.WriteString(c.text)
	}
	b.WriteString(suffix)
	return marked{
		text:   strings.TrimRight(b.String(), " "),
		indent: utf8.RuneCountInString(prefix) + widthOf(cells[:first]),
		width:  max(widthOf(cells[first:last]), 1),
	}
}

func widthOf(cells []cell) int {
	w := 0
	for _, c := range cells {
		w += c.width
	}
	return w
}

// show returns how a character at a column is shown. raw is its text, which is
// one byte if it is not valid.
func show(r rune, raw []byte, column int) cell {
	switch {
	case r == '\t':
		n := tabWidth - column%tabWidth
		return cell{strings.Repeat(" ", n), n}
	case r == utf8.RuneError && len(raw) == 1:
		s := fmt.Sprintf(`\x%02x`, raw[0])
		return cell{s, len(s)}
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		return cell{string(r), 0}
	case !unicode.IsPrint(r):
		s := escape(r)
		return cell{s, len(s)}
	case unicode.Is(wide, r):
		return cell{string(r), 2}
	}
	return cell{string(r), 1}
}

// escape spells a character that is not shown: control characters, and those
// that change the direction of text or have no width.
func escape(r rune) string {
	if r < utf8.RuneSelf {
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u{%x}`, r)
}

// Visible returns s with everything escaped that a terminal would not show as a
// character, so that nothing of a file can change how it behaves.
func Visible(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		_, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
			b.WriteRune(r)
		default:
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// wide has the characters that take two columns: the blocks of Unicode's East
// Asian Width property that are wide throughout.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, // Hangul Jamo
		{0x2e80, 0x303e, 1}, // CJK radicals, punctuation
		{0x3041, 0x33ff, 1}, // kana, CJK symbols
		{0x3400, 0x4dbf, 1}, // CJK extension A
		{0x4e00, 0x9fff, 1}, // CJK
		{0xa000, 0xa4cf, 1}, // Yi
		{0xac00, 0xd7a3, 1}, // Hangul
		{0xf900, 0xfaff, 1}, // CJK compatibility
		{0xfe30, 0xfe6f, 1}, // CJK compatibility forms
		{0xff00, 0xff60, 1}, // full width forms
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x1f300, 0x1f64f, 1}, // pictographs, emoticons
		{0x1f680, 0x1f6ff, 1}, // transport
		{0x1f900, 0x1faff, 1}, // more pictographs
		{0x20000, 0x3fffd, 1}, // CJK extensions
	},
}
