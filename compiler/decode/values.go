package decode

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

// typeOf names the TOML type of a decoded value for messages.
func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case time.Time:
		return "a date or time"
	case []any, []map[string]any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("%T", v)
}

// items returns the elements of an array, whichever way it was written.
func items(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any: // [[key]]
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list, true
	}
	return nil, false
}

// each calls bind for every element of the array v and returns its place, or no
// place when v is no array.
func (b *binder) each(f unit.Field, v any, at source.Place, bind func(v any, at source.Place)) source.Place {
	list, ok := items(v)
	if !ok {
		b.wrongType(f.Key, f.Type.String(), v, at, example(f, v))
		b.retype(f, v)
		return source.Place{}
	}
	for i, item := range list {
		bind(item, at.Item(i))
	}
	return at
}

func (b *binder) list(f unit.Field, v any, at source.Place) unit.List {
	var l unit.List
	l.At = b.each(f, v, at, func(v any, at source.Place) {
		s, ok := v.(string)
		if !ok {
			b.wrongItem(f, "strings", v, at)
			return
		}
		l.Items = append(l.Items, unit.String{Value: s, At: at})
		b.word(f, s, at)
	})
	return l
}

// words binds an array of strings, or a string that stands for an array of one.
func (b *binder) words(f unit.Field, v any, at source.Place) unit.List {
	s, ok := v.(string)
	if !ok {
		return b.list(f, v, at)
	}
	b.word(f, s, at)
	return unit.List{Items: []unit.String{{Value: s, At: at}}, At: at}
}

func (b *binder) wrongItem(f unit.Field, wanted string, v any, at source.Place) {
	help := "write " + wanted
	text, ok := literal(v)
	switch {
	case f.Values != nil:
		help = "write some of " + quoteSome(f.Values)
	case ok:
		help = fmt.Sprintf("write %q", text)
	}
	b.report(diag.WrongType, at, help, "`%s` must be an array of %s, got %s in it", f.Key, wanted, typeOf(v))
	if f.Values == nil {
		b.quote(v)
	}
}

// quote attaches the fix that writes an integer or boolean as a string.
func (b *binder) quote(v any) {
	switch v.(type) {
	case int64, bool:
		b.fix(fmt.Sprint(v), fmt.Sprintf("%q", fmt.Sprint(v)))
	}
}

// maxPermission is the largest permission id; 0 stands for everybody.
const maxPermission = math.MaxUint16

func (b *binder) permissions(f unit.Field, v any, at source.Place) unit.PermissionRefs {
	var p unit.PermissionRefs
	p.At = b.each(f, v, at, func(v any, at source.Place) {
		switch v := v.(type) {
		case string:
			p.Items = append(p.Items, unit.PermissionRef{Name: unit.String{Value: v, At: at}, At: at})
		case int64:
			if v < 0 || v > maxPermission {
				b.report(diag.OutOfRange, at, fmt.Sprintf("ids are from 0 (everybody) to %d", maxPermission),
					"%d is not a permission id", v)
				return
			}
			p.Items = append(p.Items, unit.PermissionRef{ID: unit.Int{Value: v, At: at}, At: at})
		default:
			b.report(diag.WrongType, at, "write a name, or an id without quotes",
				"`%s` must be an array of permission names or ids, got %s in it", f.Key, typeOf(v))
		}
	})
	return p
}

func (b *binder) runs(f unit.Field, v any, at source.Place) []unit.Run {
	if values, ok := v.(map[string]any); ok {
		return []unit.Run{b.run(values, at)}
	}
	var runs []unit.Run
	if help, ok := commandLine(v); ok {
		b.report(diag.WrongType, at, help, "`%s` must be %s, got a command line", f.Key, f.Type)
		return nil
	}
	if list, ok := items(v); ok && f.NonEmpty && len(list) == 0 {
		b.report(diag.EmptyValue, at, "write "+f.Doc, "`%s` must not be empty", f.Key)
	}
	b.each(f, v, at, func(v any, at source.Place) {
		if values, ok := v.(map[string]any); ok {
			runs = append(runs, b.run(values, at))
			return
		}
		b.wrongItem(f, "tables", v, at)
	})
	return runs
}

// commandLine says how a program with its arguments is written as `run`.
func commandLine(v any) (help string, ok bool) {
	list, ok := items(v)
	if line, isText := v.(string); isText {
		list, ok = nil, true
		for word := range strings.FieldsSeq(line) {
			list = append(list, word)
		}
		if strings.ContainsAny(line, `"'$|;&<>`) {
			list = []any{"/bin/sh", "-c", line}
		}
	}
	if !ok || len(list) == 0 {
		return "", false
	}
	words := make([]string, len(list))
	for i := range list {
		word, isText := list[i].(string)
		if !isText {
			return "", false
		}
		words[i] = strconv.Quote(word)
	}
	help = fmt.Sprintf("write `run.exec = %.80s`", words[0])
	if len(words) > 1 {
		help += fmt.Sprintf(" and `run.args = [%.80s]`", strings.Join(words[1:], ", "))
	}
	return help, true
}

func (b *binder) run(values map[string]any, at source.Place) unit.Run {
	r := unit.Run{At: at}
	before := b.found.count()
	b.inner("`run`").table(&unit.RunTable, &r, values, at)
	switch {
	case b.found.count() > before || b.partial: // one of them may be the key
	case !r.Exec.Set() && !r.Variable.Set():
		b.report(diag.MissingKey, at, "add `exec`: the program, an absolute path or a name to look up in PATH", "`run` has no `exec`")
	case r.Variable.Set() && len(values) > 1:
		b.report(diag.Contradiction, r.Variable.At.OfKey(), "put them into the variable, or remove `variable`",
			"`variable` has all of `run`: other keys do not go with it")
	}
	return r
}

// inner returns a binder for a table inside, which messages call what.
func (b *binder) inner(what string) *binder {
	return &binder{found: b.found, what: subject{what: what}, partial: b.partial, kind: b.kind}
}

func (b *binder) restart(f unit.Field, v any, at source.Place) unit.Restart {
	r := unit.Restart{At: at}
	switch v := v.(type) {
	case bool:
		r.Always = v
	case map[string]any:
		b.inner("`restart`").table(&unit.RestartTable, &r, v, at)
	default:
		help := "write `restart = true` or `restart = { max_retries = 3 }`"
		switch v {
		case "no", "never", "false", int64(0):
			help = "write `restart = false`, or leave it out"
		case "always", "true", "yes", int64(1):
			help = "write `restart = true`"
		case "on-failure":
			help = "write `restart = { max_retries = 3 }`"
		}
		b.wrongType(f.Key, f.Type.String(), v, at, help)
	}
	return r
}

// pairs calls bind for every key of the table v, sorted.
func (b *binder) pairs(f unit.Field, v any, at source.Place, bind func(key unit.String, v any, at source.Place)) {
	values, ok := v.(map[string]any)
	if !ok {
		b.wrongType(f.Key, f.Type.String(), v, at, tableHelp(f.Key, v))
		return
	}
	for _, key := range sortedKeys(values) {
		place := at.At(key)
		bind(unit.String{Value: key, At: place.OfKey()}, values[key], place)
	}
}

// tableHelp says how a list of texts KEY=value is written as a table.
func tableHelp(key string, v any) string {
	list, _ := items(v)
	var pairs []string
	for _, item := range list {
		text, _ := item.(string)
		name, value, ok := strings.Cut(text, "=")
		if !ok || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Sprintf("write `%s = { key = … }`", key)
		}
		pairs = append(pairs, fmt.Sprintf("%s = %q", name, value))
	}
	if len(pairs) == 0 {
		return fmt.Sprintf("write `%s = { key = … }`", key)
	}
	return fmt.Sprintf("write `%s = { %s }`", key, clip(strings.Join(pairs, ", ")))
}

func (b *binder) env(f unit.Field, v any, at source.Place) []unit.EnvVar {
	var vars []unit.EnvVar
	b.pairs(f, v, at, func(name unit.String, v any, at source.Place) {
		s, ok := v.(string)
		if !ok {
			help := "write a string"
			if text, simple := literal(v); simple {
				help = fmt.Sprintf("write %q", text)
			}
			b.report(diag.WrongType, at, help, "`%s` must be a table of strings, got %s in it", f.Key, typeOf(v))
			b.quote(v)
			return
		}
		vars = append(vars, unit.EnvVar{Name: name, Value: unit.String{Value: s, At: at}})
	})
	return vars
}

func (b *binder) options(f unit.Field, v any, at source.Place) []unit.Option {
	var options []unit.Option
	b.pairs(f, v, at, func(key unit.String, v any, at source.Place) {
		o := unit.Option{Key: key, Value: unit.Any{At: at}}
		if table, ok := v.(map[string]any); ok && len(table) == 1 && table["prefer"] != nil {
			o.Prefer, v, at = true, table["prefer"], at.At("prefer")
			o.Value.At = at
		}
		o.Value.Value = b.value(v, at)
		options = append(options, o)
	})
	return options
}

// value returns v with arrays and tables in the two forms that unit.Any knows,
// and reports what JSON cannot express.
func (b *binder) value(v any, at source.Place) any {
	switch v := v.(type) {
	case time.Time:
		b.report(diag.NoJSONForm, at, "write it as a string", "a date or time has no JSON form")
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.report(diag.NoJSONForm, at, "write it as a string", "the number %s has no JSON form", strings.ToLower(fmt.Sprint(v)))
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range sortedKeys(v) {
			out[key] = b.value(v[key], at.At(key))
		}
		return out
	case []any, []map[string]any:
		list, _ := items(v)
		out := make([]any, len(list))
		for i, item := range list {
			out[i] = b.value(item, at.Item(i))
		}
		return out
	}
	return v
}
