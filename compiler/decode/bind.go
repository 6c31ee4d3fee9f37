package decode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

// binder fills the structs of package unit from decoded values, driven by the
// rows of a table. It reports every mistake and goes on with the next key.
type binder struct {
	found *findings
	what  subject
	lost  unit.Lost // keys of a unit that are there, though not in its values

	// partial says that keys of a table inside a unit may be there, though not in its
	// values.
	partial bool

	kind *unit.Kind // of the unit; nil if nobody cares
}

// subject is what messages call a table: a unit with its name, such as `socket "web"`,
// or something else without one. Most are never in a message.
type subject struct{ what, name string }

func (s subject) String() string {
	if s.name == "" {
		return s.what
	}
	return fmt.Sprintf("%s %q", s.what, s.name)
}

// findings are the errors of one unit. A unit can repeat one mistake a million
// times, which nobody wants to read: only the first maxErrors are kept, and
// none of which the file has enough.
type findings struct {
	list *diag.List // of the file; nil if nothing is going to be reported

	kept    []diag.Diagnostic
	more    int  // that are not kept
	last    bool // whether the last one is kept
	omitted int  // of which the file has enough
}

func (f *findings) count() int { return len(f.kept) + f.more + f.omitted }

// enough reports whether it is no use to describe an error.
func (f *findings) enough(code diag.Code) bool {
	return f.list == nil || len(f.kept) == maxErrors || f.list.Full(code, diag.Error)
}

// omit counts an error that is not described.
func (f *findings) omit(code diag.Code) {
	f.last = false
	if f.list != nil && f.list.Full(code, diag.Error) {
		f.list.Omit(code, diag.Error, 1)
		f.omitted++
		return
	}
	f.more++
}

// table binds all keys of a table to item.
func (b *binder) table(t *unit.Table, item any, values map[string]any, at source.Place) {
	meant := map[string]bool{} // by misspelled keys; "" for what nobody knows
	for _, key := range sortedKeys(values) {
		f, ok := t.Field(key)
		switch {
		case !ok && slices.Contains(t.Foreign, key):
			b.report(diag.ForeignKey, at.At(key).OfKey(), "remove it, or move it to a file that only the full Rind init reads",
				"`%s` is a key that only the full Rind init has", key)
		case !ok:
			other, renamed := b.unknownKey(t, key, values, at.At(key).OfKey())
			if renamed && !meant[other] { // no table has a key twice
				b.fix(key, other)
			}
			meant[other] = true
		default:
			b.of(key).field(f, item, values[key], at.At(key))
		}
	}
	if len(values) == 0 && isKind(t) && b.lost == nil && !b.found.enough(diag.MissingKey) {
		b.empty(t, at)
		return
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if !f.Required {
			continue
		}
		_, ok := values[f.Key]
		switch {
		case ok, meant[f.Key], b.partial, b.lost.Any(f.Key):
		case meant[""] && b.what.name == "" && !isKind(t): // a small table: that may be the key
		case b.found.enough(diag.MissingKey):
			b.found.omit(diag.MissingKey)
		default:
			b.report(diag.MissingKey, at, fmt.Sprintf("add `%s`: %s", f.Key, f.Doc), "%s has no `%s`", b.what, f.Key)
		}
	}
}

// empty reports a unit without any keys: that several are missing is one mistake.
func (b *binder) empty(t *unit.Table, at source.Place) {
	var missing []string
	for i := range t.Fields {
		if t.Fields[i].Required {
			missing = append(missing, "`"+t.Fields[i].Key+"`")
		}
	}
	list := func(word string) string {
		last := len(missing) - 1
		if last == 0 {
			return missing[0]
		}
		return strings.Join(missing[:last], ", ") + " " + word + " " + missing[last]
	}
	b.report(diag.MissingKey, at, fmt.Sprintf("add %s, or remove the header", list("and")), "the %s is empty: it has no %s", t.Name, list("or"))
}

// of returns the binder for the value of a key.
func (b *binder) of(key string) *binder {
	if b.lost == nil {
		return b
	}
	in := *b
	in.lost, in.partial = nil, b.partial || b.lost[key]
	return &in
}

// sortedKeys returns the keys of a table. Every table of every unit asks for them.
func sortedKeys(table map[string]any) []string {
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// only binds one key of a table and reports nothing, not even the others.
func (b *binder) only(t *unit.Table, key string, item any, values map[string]any, at source.Place) {
	f, ok := t.Field(key)
	v, given := values[key]
	if ok && given {
		quiet := binder{found: &findings{}, what: b.what}
		quiet.field(f, item, v, at.At(key))
	}
}

// field binds one value. There is one setter for each type that a row can have.
func (b *binder) field(f unit.Field, item, v any, at source.Place) {
	switch into := f.Into(item).(type) {
	case *unit.String:
		b.string(f, into, v, at)
	case *unit.Bool:
		if set, ok := want[bool](b, f, v, at); ok {
			*into = unit.Bool{Value: set, At: at}
		}
	case *unit.Int:
		*into = b.int(f, v, at)
	case *unit.Duration:
		*into = b.duration(f, v, at)
	case *unit.Any:
		*into = unit.Any{Value: b.value(v, at), At: at}
	case *unit.List:
		if f.Type == unit.TypeWords {
			*into = b.words(f, v, at)
		} else {
			*into = b.list(f, v, at)
		}
	case *unit.PermissionRefs:
		*into = b.permissions(f, v, at)
	case *unit.Conditions:
		*into = b.conditions(f, v, at)
	case **unit.Condition:
		*into = b.not(v, at)
	case *unit.Triggers:
		*into = b.triggers(f, v, at)
	case *unit.Test:
		*into = b.test(f, v, at)
	case *unit.Restart:
		*into = b.restart(f, v, at)
	case *[]unit.Run:
		*into = b.runs(f, v, at)
	case *[]unit.EnvVar:
		*into = b.env(f, v, at)
	case *[]unit.Option:
		*into = b.options(f, v, at)
	case *unit.Absences:
		*into = b.absences(f, v, at)
	case *unit.ResourceLimit:
		*into = b.resource(f, v, at)
	case inner:
		b.inside(f, into, v, at)
	default:
		// TestTableIsBound binds every row of every table.
		b.report(diag.DecoderFailure, at, "report this", "the binder does not know the type of `%s`", f.Key)
	}
}

func (b *binder) string(f unit.Field, into *unit.String, v any, at source.Place) {
	s, ok := want[string](b, f, v, at)
	if !ok {
		return
	}
	*into = unit.String{Value: s, At: at}
	b.word(f, s, at)
}

// word checks a string, or one in an array, with what the row says about them.
func (b *binder) word(f unit.Field, s string, at source.Place) {
	if f.NonEmpty && s == "" {
		b.report(diag.EmptyValue, at, "write "+f.Doc, "`%s` must not be empty", f.Key)
	}
	if f.Values != nil && !slices.Contains(f.Values, s) {
		help := "write one of " + quoteSome(f.Values)
		near, ok := nearestValue(f, s)
		if ok {
			help = fmt.Sprintf("did you mean `%s`?", near)
		}
		wanted := quoteSome(f.Values)
		if f.Type == unit.TypeChoice { // the other choice is a table
			wanted += fmt.Sprintf(", or a table with `%s`", f.Inner.Fields[0].Key)
			if inner := f.Inner.Fields[0]; !ok && (inner.Check == nil || inner.Check(s) == nil) {
				help += fmt.Sprintf(", or `%s = { %s = %q }`", f.Key, inner.Key, clip(s))
			}
		}
		b.report(diag.UnknownValue, at, help, "`%s` must be one of %s, got %q", f.Key, wanted, clip(s))
		if same := sameValue(s, near) || strings.EqualFold("SIG"+s, near); ok && (same || !f.Rights && diag.Misspelt(s, near, f.Values) != nil) {
			b.fix(s, near)
		}
	}
	if f.Check == nil {
		return
	}
	if bad := f.Check(s); bad != nil {
		code := diag.InvalidValue
		if f.Key == "name" {
			code = diag.InvalidName
		}
		b.report(code, at.Within(bad.From, bad.To), bad.Help, "%s", bad.Message)
	}
}

// want returns v as a T, and reports when it is something else.
func want[T any](b *binder, f unit.Field, v any, at source.Place) (T, bool) {
	t, ok := v.(T)
	switch {
	case ok:
	case b.found.enough(diag.WrongType):
		b.found.omit(diag.WrongType)
	default:
		b.wrongType(f.Key, f.Type.String(), v, at, example(f, v))
		b.retype(f, v)
	}
	return t, ok
}

func (b *binder) wrongType(key, wanted string, v any, at source.Place, help string) {
	b.report(diag.WrongType, at, help, "`%s` must be %s, got %s", key, wanted, typeOf(v))
}

// example says how a value of another type would be written correctly.
func example(f unit.Field, v any) string {
	switch f.Type { //nolint:exhaustive // the others have no fix to show
	case unit.TypeString:
		if text, ok := meantText(f, v); ok {
			return fmt.Sprintf("write `%s = %q`", f.Key, text)
		}
		if f.Values != nil {
			return "write one of " + quoteSome(f.Values)
		}
		if help, ok := commandLine(v); ok && f.Key == "exec" {
			return strings.ReplaceAll(help, "run.", "")
		}
	case unit.TypeBool:
		if text, ok := v.(string); ok && (text == "true" || text == "false") {
			return fmt.Sprintf("write `%s = %s`, without quotes", f.Key, text)
		}
		return fmt.Sprintf("write `%s = true` or `%s = false`", f.Key, f.Key)
	case unit.TypeInt:
		if n, ok := meantInt(v); ok {
			return fmt.Sprintf("write `%s = %d`, without quotes", f.Key, n)
		}
		return fmt.Sprintf("write a whole number: `%s = 1`", f.Key)
	case unit.TypeDuration:
		return fmt.Sprintf("write a number of seconds, or a string: `%s = \"1m30s\"`", f.Key)
	case unit.TypeChoice:
		return fmt.Sprintf("write one of %s, or `%s = { %s = … }`", quoteAll(f.Values), f.Key, f.Inner.Fields[0].Key)
	case unit.TypeTable:
		return fmt.Sprintf("write `%s = { %s = … }`", f.Key, f.Inner.Fields[0].Key)
	case unit.TypeList, unit.TypeWords, unit.TypeConditions, unit.TypePermissions, unit.TypeAbsences:
		if text, ok := v.(string); ok && f.Type == unit.TypeConditions {
			return fmt.Sprintf("write `%s = [%q]`", f.Key, clip(text))
		} else if ok {
			var words []string
			for _, w := range wordsOf(clip(text)) {
				words = append(words, strconv.Quote(w))
			}
			return fmt.Sprintf("write `%s = [%s]`", f.Key, strings.Join(words, ", "))
		}
		return fmt.Sprintf("write `%s = [ … ]`", f.Key)
	case unit.TypeTriggers:
		return fmt.Sprintf("write `%s = [{ … }]`", f.Key)
	}
	if t, ok := f.Table(); ok && t.Fields[0].Type == unit.TypeString {
		if text, ok := v.(string); ok {
			return fmt.Sprintf("write `%s.%s = %q`", f.Key, t.Fields[0].Key, clip(text))
		}
	}
	return fmt.Sprintf("write %s: %s", f.Type, f.Doc)
}

// wordsOf returns the words of a text that stands where a list is wanted.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(words) == 0 {
		return []string{text}
	}
	return words
}

// meantText returns the string that is meant by a value of another type.
func meantText(f unit.Field, v any) (string, bool) {
	switch v := v.(type) {
	case int64:
		if f.Number == nil || v < 0 {
			return "", false
		}
		return f.Number(v), true
	case []any:
		return literal(v)
	}
	return "", false
}

// meantInt returns the integer that stands in quotes.
func meantInt(v any) (int64, bool) {
	s, ok := v.(string)
	if !ok || strings.HasPrefix(strings.TrimLeft(s, "-"), "0") && s != "0" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// literal returns the text of a simple value.
func literal(v any) (string, bool) {
	switch v := v.(type) {
	case bool, int64:
		return fmt.Sprint(v), true
	case float64:
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if strings.Trim(text, "-0123456789") == "" {
			text += ".0" // as it was written, most likely
		}
		return text, true
	case []any:
		if len(v) == 1 {
			s, ok := v[0].(string)
			return clip(s), ok
		}
	}
	return "", false
}

// clip bounds what a message quotes of a file.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// fix attaches a fix to the last report, unless there is nothing to write.
func (b *binder) fix(old, replacement string) {
	if n := len(b.found.kept); b.found.last && replacement != "" {
		b.found.kept[n-1].Fix = &diag.Fix{Old: old, New: replacement}
	}
}

// retype attaches the fix that writes a value of the wrong type as one of the
// right type, where no other value can be meant.
func (b *binder) retype(f unit.Field, v any) {
	switch v := v.(type) {
	case string:
		switch f.Type { //nolint:exhaustive // the others have no value that is certain
		case unit.TypeBool:
			if v == "true" || v == "false" {
				b.fix(strconv.Quote(v), v)
			}
		case unit.TypeInt:
			if n, ok := meantInt(v); ok {
				b.fix(strconv.Quote(v), strconv.FormatInt(n, 10))
			}
		case unit.TypeList, unit.TypeWords, unit.TypeConditions, unit.TypePermissions, unit.TypeAbsences:
			if f.Type == unit.TypeConditions || len(wordsOf(v)) == 1 {
				b.fix(strconv.Quote(v), "["+strconv.Quote(v)+"]")
			}
		}
	case int64:
		if text, ok := meantText(f, v); ok && f.Type == unit.TypeString {
			b.fix(strconv.FormatInt(v, 10), strconv.Quote(text))
		}
	}
}

// quoteSome is quoteAll for lists that may be long.
func quoteSome(list []string) string {
	const most = 8
	if len(list) <= most {
		return quoteAll(list)
	}
	return fmt.Sprintf("%s and %d more", quoteAll(list[:most]), len(list)-most)
}

func quoteAll(list []string) string {
	return "`" + strings.Join(list, "`, `") + "`"
}

func (b *binder) report(code diag.Code, at source.Place, help, format string, args ...any) {
	if b.found.enough(code) {
		b.found.omit(code)
		return
	}
	b.found.last = true
	b.found.kept = append(b.found.kept, diag.Diagnostic{
		Code:     code,
		Severity: diag.Error,
		Message:  fmt.Sprintf(format, args...),
		At:       at,
		Help:     help,
	})
}
