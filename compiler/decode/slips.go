package decode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rind-sockets/rind/compiler/diag"
)

// slip is a syntax error that people make who are used to other languages, or in
// a hurry: what the decoder stumbled over, and what was meant.
type slip struct {
	from, to int    // bytes of the text
	help     string // "" for anything else
	fixed    bool
	instead  string // of from..to, if fixed
}

// twice is in the decoder's message about a key that is there already.
const twice = "already been defined"

// slipAt recognises what the decoder's message at a byte of the text is about.
func slipAt(text, message string, at int) slip {
	_, size := utf8.DecodeRuneInString(text[at:])
	s := slip{from: at, to: at + size}
	has := func(part string) bool { return strings.Contains(message, part) }
	start := strings.LastIndexByte(text[:at], '\n') + 1
	switch line := strings.TrimRight(firstLine(text[start:]), "\r"); {
	case conflictMarker(line):
		return slip{from: start, to: start + len(line), help: "keep one of the two sides, and remove the markers"}
	case has("escape"), has("hexadecimal digits"):
		return escapeSlip(text, s)
	case has("leading zero"):
	case has(twice):
		return twiceSlip(text, message, s)
	case has("expected a digit"):
		return wordSlip(text, s)
	case has("expected value but found"), has("invalid float value"), has("invalid integer"), has("invalid datetime"):
		return valueSlip(text, at)
	case has("expected '.' or '='"):
		return keySlip(text, at)
	case has("expected a comma"):
		return commaSlip(text, s)
	case has("table separator"):
		s.help = "write one point between two names"
	case has("table array name delimiter"), has("to end table name"):
		return headerSlip(text, s)
	case has("top-level item to end"):
		return endSlip(text, at)
	}
	return s
}

// headerSlip says how a header is closed.
func headerSlip(text string, s slip) slip {
	start := strings.LastIndexByte(text[:s.from], '\n') + 1
	header := strings.TrimSpace(firstLine(text[start:]))
	key := strings.Trim(header, "[]")
	whole := "[" + key + "]"
	if strings.HasPrefix(header, "[[") {
		whole = "[[" + key + "]]"
	}
	s.help = fmt.Sprintf("write `%.80s`", whole)
	if key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz-") != "" {
		s.help = "close the header with `]`, or `]]` if it begins with two"
		return s
	}
	s.from = start + strings.Index(text[start:], header)
	s.to, s.fixed, s.instead = s.from+len(header), true, whole
	return s
}

// escapeSlip finds the backslash that begins no escape of TOML in the string that begins
// at or in front of a byte of the text.
func escapeSlip(text string, s slip) slip {
	start := strings.LastIndexByte(text[:s.from], '\n') + 1
	for at := start; at < len(text); at++ {
		if text[at] == '\n' && at >= s.from {
			break
		}
		if text[at] != '\\' {
			continue
		}
		escape := text[at+1:]
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[(escape + "\n")[0]]
		hex := strings.TrimLeft(escape[min(1, len(escape)):], "0123456789abcdefABCDEF")
		enough := digits > 0 && len(escape)-1-len(hex) >= digits
		if !enough && !strings.ContainsRune(`bteh"nfr\`, rune((escape + "\n")[0])) && at+1 >= s.from-1 {
			s.from, s.to = at, at+2
			break
		}
		at++
	}
	s.help = "write a backslash as `\\\\`, or use single quotes"
	s.to = min(s.to, len(text))
	return s
}

// lineAt returns the line that has a byte of the text.
func lineAt(text string, at int) string {
	return firstLine(text[strings.LastIndexByte(text[:at], '\n')+1:])
}

// closesHeader returns the header that is meant by a line which ends one that never began:
// service.run]. It returns "" for all others.
func closesHeader(line string) string {
	line = strings.TrimSpace(line)
	key := strings.TrimRight(line, "]")
	kind, _, _ := strings.Cut(key, ".")
	n := len(line) - len(key)
	if n == 0 || n > 2 || !supported(kind) || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz-.") != "" {
		return ""
	}
	return strings.Repeat("[", n) + line
}

// conflictMarker reports whether git has written a line, into a file that two people have
// changed.
func conflictMarker(line string) bool {
	return strings.HasPrefix(line, "<<<<<<< ") || line == "=======" || strings.HasPrefix(line, ">>>>>>> ") || strings.HasPrefix(line, "||||||| ")
}

// conflictEnd returns where in text the conflict ends whose first marker it begins with, 0
// if it begins with none.
func conflictEnd(text string) int {
	if !strings.HasPrefix(text, "<<<<<<< ") {
		return 0
	}
	end := strings.Index(text, "\n>>>>>>> ")
	if end < 0 {
		return 0
	}
	end++
	return end + len(firstLine(text[end:]))
}

// atLineStart reports whether there are only blanks in front of a byte of its line.
func atLineStart(text string, at int) bool {
	return strings.TrimSpace(text[strings.LastIndexByte(text[:at], '\n')+1:at]) == ""
}

// twiceSlip finds the key that is defined twice: the decoder may point into its value.
func twiceSlip(text, message string, s slip) slip {
	start := strings.LastIndexByte(text[:s.from], '\n') + 1
	line := firstLine(text[start:])
	if parts, n := headerKey(line); len(parts) > 0 && strings.HasPrefix(line[n:], "=") && strings.Contains(message, parts[len(parts)-1]+"' has") {
		key := strings.TrimSpace(line[:n])
		s.from = start + strings.Index(line, key)
		s.to = s.from + len(key)
		if len(parts) == 1 && key == "name" {
			s.help = "write the header of its unit above it, such as `[[service]]`, or remove one of the two"
		}
		return s
	}
	if _, n := headerKey(text[s.from:]); n > 0 {
		s.to = s.from + len(strings.TrimRight(text[s.from:s.from+n], " \t"))
	}
	return s
}

// endSlip says what is wrong behind a value, where its line should end.
func endSlip(text string, at int) slip {
	line := firstLine(text[at:])
	before := len(line) - len(strings.TrimLeft(line, " \t"))
	at += before
	line = strings.TrimRight(line[before:], " \t\r")
	s := slip{from: at, to: at + min(1, len(line))}
	next := text[min(len(text), at+len(line)):]
	switch rest := strings.TrimLeft(line[min(1, len(line)):], " \t"); {
	case line == "":
	case line[0] == ',' && beginsWithKey(rest):
		s.help, s.instead, s.fixed = "write every key on a line of its own", "\n", true
		s.to = at + len(line) - len(rest)
	case line[0] == ',':
		s.help = "remove the comma: every key has a line of its own"
		after := firstLine(strings.TrimLeft(next, "\r\n"))
		before := strings.TrimRight(text[:strings.LastIndexByte(text[:at], '\n')+1], " \t\r\n")
		s.fixed = (rest == "" || rest[0] == '#') && !continues(after) && !strings.HasSuffix(strings.TrimRight(after, " \t\r"), ",") && !strings.HasSuffix(before, ",")
	case line[0] == ';' && (rest == "" || rest[0] == '#'):
		s.help, s.fixed = "remove it: a line ends without a sign", true
	case line[0] == ';' && beginsWithKey(rest):
		s.help, s.instead, s.fixed = "write every key on a line of its own", "\n", true
		s.to = at + len(line) - len(rest)
	case line[0] == ';':
		s.help = "remove it and what is behind it, or write it as a comment: `#`"
	case strings.HasPrefix(line, "//"):
		return commentSlip(text, at)
	case strings.HasPrefix(firstLine(text[strings.LastIndexByte(text[:at], '\n')+1:]), "[") && line[0] == ']':
		s.help = "write `[[` and `]]`, or `[` and `]`"
	case line[0] == ']' || line[0] == '}':
		s.help = "remove it: it closes nothing"
	case beginsWithKey(line):
		s.help = "write every key on a line of its own"
		s.to = at + len(strings.TrimRight(line[:strings.IndexByte(line, '=')], " \t"))
	case line[0] == '"' || line[0] == '\'':
		s.help = "several values are an array: `[\"a\", \"b\"]`"
	case before > 0:
		s.to = at + len(line)
		if end := strings.IndexAny(line, " \t,#"); end > 0 {
			s.to = at + end
		}
		s.help = "put quotes around all of the value, or remove what is behind it"
	default:
		return wordSlip(text, s)
	}
	return s
}

// isPair reports whether an item of an array is key = value.
func isPair(item string) bool {
	key, value, ok := strings.Cut(item, "=")
	key = strings.TrimSpace(key)
	return ok && key != "" && !strings.HasPrefix(value, "=") && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_.-") == ""
}

// wordSlip is about a value that begins like a number, or another one, and goes on: 5s.
func wordSlip(text string, s slip) slip {
	at := s.from
	from := strings.LastIndexAny(text[:at], " \t\n=") + 1
	if from < at && !strings.ContainsAny(text[at-1:at], wordEnd) && !strings.Contains(wordEnd, text[at:s.to]) {
		return valueSlip(text, from)
	}
	return s
}

func commentSlip(text string, at int) slip {
	n := 1
	if strings.HasPrefix(text[at:], "//") {
		n = 2
	}
	return slip{at, at + n, "a comment begins with `#`", true, "#"}
}

// wordEnd are the bytes that end a value without quotes.
const wordEnd = " \t\r\n,]}#\"'"

// booleans is how other languages write them.
var booleans = map[string]string{
	"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false",
}

// absent is how other languages write that there is no value. In lower case, none is a
// word of ours.
var absent = []string{"None", "null", "NULL", "Null", "nil", "undefined"}

// commaSlip says what is wrong where an item of an array or a table should have ended.
func commaSlip(text string, s slip) slip {
	line := text[s.from:]
	if end := strings.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	before := strings.TrimRight(text[:s.from], " \t\r\n")
	switch {
	case strings.Contains(text[len(before):s.from], "\n") && beginsWithKey(line):
		return slip{from: len(before) - 1, to: len(before), help: "write a comma behind it"}
	case len(before) == s.from && strings.HasSuffix(before, `"`) && isWordByte(line):
		s.help = "the string ends before this: write `\\\"` or `'` for a quote inside it"
	case strings.HasPrefix(line, "}"), strings.HasPrefix(line, "]"):
		s.help = "remove it: it closes nothing"
	case len(before) == s.from && isWordByte(line) && inWord[before[len(before)-1]]:
		return wordSlip(text, s)
	default:
		s.help = "write a comma between the items"
	}
	return s
}

// isWordByte reports whether s begins with what a word has.
func isWordByte(s string) bool { return s != "" && inWord[s[0]] }

// valueSlip says what is wrong with a value that has no quotes, or others.
func valueSlip(text string, at int) slip {
	rest := text[at:]
	if end := strings.IndexAny(rest, "\r\n"); end >= 0 {
		rest = rest[:end]
	}
	const curly = "“”„‟‘’‚‛«»"
	if first, size := utf8.DecodeRuneInString(rest); strings.ContainsRune(curly, first) && size > 1 {
		inner := rest[size:]
		end := strings.IndexAny(inner, curly)
		if end < 0 || strings.ContainsAny(inner[:end], `"\`) {
			return slip{from: at, to: at + size, help: "use straight quotes: `\"`"}
		}
		_, closing := utf8.DecodeRuneInString(inner[end:])
		quoted := strconv.Quote(inner[:end])
		return slip{at, at + size + end + closing, fmt.Sprintf("use straight quotes: `%.80s`", quoted), true, quoted}
	}
	word := rest
	if end := strings.IndexAny(rest, wordEnd); end >= 0 {
		word = rest[:end]
	}
	s := slip{from: at, to: at + len(word), help: "write a value: strings need quotes"}
	item, alone := itemAt(text, at, rest)
	if alone {
		word, _, _ = strings.Cut(item, " ")
		s.to = at + len(word)
	}
	inner := strings.Trim(item, "`")
	switch b := booleans[strings.ToLower(word)]; {
	case strings.HasPrefix(rest, "//"):
		return commentSlip(text, at)
	case strings.HasPrefix(rest, "=") && atKey(text, at):
		return slip{at, at + 1, "write one `=`", true, ""}
	case strings.HasPrefix(rest, ">") && strings.HasSuffix(text[:at], "="):
		return slip{at, at + 1, "write `=` alone", true, ""}
	case len(inner) == len(item)-2 && item[0] == '`' && strconv.Quote(inner) == `"`+inner+`"`:
		return slip{at, at + len(item), fmt.Sprintf("use straight quotes: `\"%.80s\"`", inner), true, `"` + inner + `"`}
	case isPair(item):
		s.to, s.help = at+len(item), "put keys into a table: `{ key = value }`"
		return s
	case item != word && word != "" && strings.ContainsAny(item, `"'`):
		s.to, s.help = at+len(item), "put quotes around all of it: single ones, if it has double ones"
		return s
	case item != word && word != "" && strings.Contains(item, " ") && strconv.Quote(item) == `"`+item+`"` && isPlain(item):
		quoted := `"` + item + `"`
		return slip{at, at + len(item), fmt.Sprintf("put quotes around a string: `%.80s`", quoted), true, quoted}
	case slices.Contains(absent, word):
		s.help = "leave the key out: TOML has no value for nothing"
		return s
	case word == "":
		_, size := utf8.DecodeRuneInString(rest)
		s.to += size
		return s
	case b != "":
		s.help, s.fixed, s.instead = fmt.Sprintf("write `%s`", b), true, b
	case diag.Misspelt(strings.ToLower(word), "true") != nil, diag.Misspelt(strings.ToLower(word), "false") != nil:
		near, _ := diag.Nearest(strings.ToLower(word), []string{"true", "false"})
		s.help = fmt.Sprintf("write `%s`, or put quotes around a string", near)
	case isPlain(strings.TrimPrefix(word, ":")) && strconv.Quote(word) == `"`+word+`"`: // a port is :80
		s.instead, s.fixed = `"`+word+`"`, true
		s.help = fmt.Sprintf("put quotes around a string: `%.80s`", s.instead)
	}
	return s
}

// isPlain reports whether s does not begin or end with what is more likely to be the
// mistake itself.
func isPlain(s string) bool { return s != "" && strings.Trim(s, "[{(<=:\\") == s }

// itemAt returns the value without quotes that begins at a byte of the text, with what is
// behind its first word: up to the end of the line if it is that of a key, or of the item
// inside brackets.
func itemAt(text string, at int, rest string) (item string, alone bool) {
	end := len(rest)
	if alone = atKey(text, at); alone {
		if i := strings.Index(rest, " #"); i >= 0 {
			end = i
		}
	} else if i := strings.IndexAny(rest, ",]}#"); i >= 0 {
		end = i
	}
	item = strings.TrimRight(rest[:end], " \t\r")
	return item, alone && !strings.ContainsAny(item, "\"'[,;") && !strings.Contains(item, "//")
}

// atKey reports whether the value at a byte of the text is that of the key with which its
// line begins.
func atKey(text string, at int) bool {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	_, n := headerKey(line)
	return n > 0 && strings.TrimSpace(line[n:]) == "="
}

// keySlip says what is wrong behind a key, or with a line that has none.
func keySlip(text string, at int) slip {
	if r, size := utf8.DecodeRuneInString(text[at:]); unicode.IsSpace(r) && size > 1 || r == '\ufeff' || r == '\u200b' {
		return slip{at, at + size, fmt.Sprintf("remove this character, %U, which looks like a blank or like nothing", r), true, ""}
	}
	switch {
	case text[at:] == "":
	case atLineStart(text, at) && (strings.HasPrefix(text[at:], "//") || text[at] == ';'):
		return commentSlip(text, at)
	case strings.HasPrefix(text[at:], ":="):
		return slip{at, at + len(":="), "write `=` between a key and its value", true, "="}
	case text[at] == ':' && strings.TrimSpace(firstLine(text[at+1:])) == "":
		return slip{from: at, to: at + 1, help: "write `key = value`, and tables as `key = { … }`: a unit file is TOML"}
	case dashedKey(text, at) != "":
		key := dashedKey(text, at)
		before := strings.TrimRight(text[:at], " \t")
		return slip{from: len(before), to: at, help: fmt.Sprintf("write `%s`", key), fixed: true, instead: "-"}
	case text[at] == ']' && closesHeader(lineAt(text, at)) != "":
		start, header := strings.LastIndexByte(text[:at], '\n')+1, closesHeader(lineAt(text, at))
		return slip{start, start + len(strings.TrimRight(lineAt(text, at), " \t\r")), fmt.Sprintf("write `%s`", header), true, header}
	case text[at] == '{' && strings.TrimSpace(text[:at]) == "":
		return slip{from: at, to: at + 1, help: "write units as `[[socket]]` with lines of `key = value`: a unit file is TOML, not JSON"}
	case text[at] == '{' || text[at] == '}' || text[at] == ']':
		return slip{from: at, to: at + 1, help: "close the table in front of it with `}`, or remove this"}
	case text[at] == ':' && !atLineStart(text, at) && strings.HasPrefix(strings.TrimLeft(text[at+1:], " \t"), "="):
		return slip{at, at + 1, "remove the colon", true, ""}
	case text[at] == ':' && !atLineStart(text, at):
		return slip{at, at + 1, "write `=` between a key and its value", true, " ="}
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	return slip{from: at, to: at + size, help: "write `=` between a key and its value"}
}

// dashedKey returns the key that is meant by two words with blanks between, of which the
// second begins at a byte of the text: start on.
func dashedKey(text string, at int) string {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	second, _ := headerKey(text[at:])
	first := strings.TrimSpace(line)
	if len(second) != 1 || first == "" || strings.TrimRight(line, " \t") == line {
		return ""
	}
	if key := first + "-" + second[0]; isTableOfUnits(key) {
		return key
	}
	return ""
}

// labelTwice marks where the key at a byte of the text is defined first, if that is
// a line of the same segment. message says that it is defined already.
func (d *decoder) labelTwice(message string, at, segment int) {
	if segment < 0 || !strings.Contains(message, twice) {
		return
	}
	start, end := d.lay.segments[segment].start, d.lay.segments[segment].end
	if at < start || at >= end {
		return // in a table of its own inside the unit
	}
	key, _ := headerKey(d.text[at:end])
	before := d.text[start:at]
	if len(key) == 0 || strings.Contains(before, `"""`) || strings.Contains(before, `'''`) {
		return
	}
	for line := range strings.Lines(before) {
		same, size := headerKey(line)
		if strings.Join(same, "\x00") == strings.Join(key, "\x00") && strings.HasPrefix(line[size:], "=") {
			indent := len(line) - len(strings.TrimLeft(line, " \t"))
			span := d.span(start+indent, start+len(strings.TrimRight(line[:size], " \t")))
			d.label(diag.Label{Span: span, Message: "defined here"})
			return
		}
		start += len(line)
	}
}
