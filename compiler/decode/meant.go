package decode

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

// unknownKey reports a key that the table does not have. It returns the one that was
// probably meant, and whether that is the same key by another name, and not there yet.
func (b *binder) unknownKey(t *unit.Table, key string, values map[string]any, at source.Place) (meant string, renamed bool) {
	if b.found.enough(diag.UnknownKey) {
		b.found.omit(diag.UnknownKey)
		return "", false
	}
	if f, ok := t.FieldOfNewer(key); ok {
		b.report(diag.NewerSpelling, at, fmt.Sprintf("write `%s`", f.Key),
			"`%s` is what newer Rind versions call `%s`", key, f.Key)
		_, taken := values[f.Key]
		return f.Key, !taken
	}
	help := fmt.Sprintf("the keys of %s are %s", b.tableName(t), quoteAll(t.Keys()))
	outer, inside := tableWith(t, key)
	near, ok := diag.Nearest(key, t.Keys())
	_, taken := values[near]
	elsewhere := t.Elsewhere(key)
	switch {
	case t != &unit.TestTable && t != &unit.ConditionTable && t != &unit.TriggerTable && !isKind(t) && !ok && b.kind != nil && key != "name" && known(b.kind, key):
		help = fmt.Sprintf("`%s` is a key of the %s, and not of this table", key, b.kind.Name)
	case t == &unit.TestTable && !ok:
		help = fmt.Sprintf("for a field of the payload, write `{ as = { %s = … } }`", clip(key))
	case elsewhere != "" && elsewhere != "write `"+near+"`":
		help, meant = elsewhere, firstKey(elsewhere)
	case inside:
		help, meant = fmt.Sprintf("write `%s.%s`", outer, key), outer
	case ok && taken && isTableValue(values[key]) && isTableValue(values[near]):
		help, meant = fmt.Sprintf("did you mean `%s`?", near), near
	case ok && taken:
		help, meant = fmt.Sprintf("did you mean `%s`? it is there already: remove one of the two", near), near
	case ok:
		help, meant, renamed = fmt.Sprintf("did you mean `%s`?", near), near, diag.Misspelt(key, near, t.Keys()) != nil
	}
	b.report(diag.UnknownKey, at, help, "%s has no key %q", b.what, clip(key))
	return meant, renamed
}

// tableName returns what messages call any table of that kind.
func (b *binder) tableName(t *unit.Table) string {
	if isKind(t) || t == &unit.ConditionTable || t == &unit.TriggerTable {
		return "a " + t.Name
	}
	return b.what.String()
}

func known(kind *unit.Kind, key string) bool {
	_, ok := kind.Field(key)
	return ok
}

func isKind(t *unit.Table) bool {
	_, ok := unit.KindOf(t.Name)
	return ok
}

func isTableValue(v any) bool {
	_, table := v.(map[string]any)
	return table
}

// firstKey returns the first key of a table that help tells to write.
func firstKey(help string) string {
	_, path, _ := strings.Cut(help, "`")
	key, _, _ := strings.Cut(path, "`")
	key, _, _ = strings.Cut(key, ".")
	key, _, _ = strings.Cut(key, " ")
	return key
}

// tableWith returns the only key of t whose value is a table that has a key of that
// name.
func tableWith(t *unit.Table, key string) (outer string, ok bool) {
	for i := range t.Fields {
		f := &t.Fields[i]
		inner, table := f.Table()
		if !table || f.Type == unit.TypeTriggers || f.Type == unit.TypeConditions || f.Type == unit.TypeCondition {
			continue
		}
		if _, has := inner.Field(key); !has {
			continue
		}
		if ok {
			return "", false
		}
		outer, ok = f.Key, true
	}
	return outer, ok
}

// nearestValue returns the value that was probably meant: the only one that has
// the word in it, such as SIGTERM for TERM, or one that is spelt alike. What gives
// rights is no matter of spelling.
func nearestValue(f unit.Field, word string) (string, bool) {
	var have []string
	for _, v := range f.Values {
		if f.Rights && sameValue(word, v) {
			return v, true
		}
		if len(word) > 2 && strings.Contains(strings.ToLower(v), strings.ToLower(word)) {
			have = append(have, v)
		}
	}
	if len(have) == 1 {
		return have[0], true
	}
	if f.Rights {
		return "", false
	}
	near, ok := diag.Nearest(word, f.Values)
	if strings.HasPrefix(word, "SIG") && diag.Misspelt(word, near) == nil {
		return "", false // another signal, which is not allowed here
	}
	return near, ok
}

// sameValue reports whether word is a value, but for its case, dashes and what is in
// front of the first underscore: net-admin is CAP_NET_ADMIN.
func sameValue(word, value string) bool {
	plain := strings.ToUpper(strings.ReplaceAll(word, "-", "_"))
	_, rest, _ := strings.Cut(value, "_")
	return plain == value || plain == rest
}
