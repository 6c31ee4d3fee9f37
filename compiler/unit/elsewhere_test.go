package unit

import (
	"strings"
	"testing"
)

// tables returns every table with its name, those inside of others too.
func tables() map[string]*Table {
	all := map[string]*Table{}
	var add func(t *Table)
	add = func(t *Table) {
		if all[t.Name] != nil {
			return
		}
		all[t.Name] = t
		for i := range t.Fields {
			if inner, ok := t.Fields[i].Table(); ok {
				add(inner)
			}
		}
	}
	for i := range Kinds {
		add(&Kinds[i].Table)
	}
	return all
}

// TestElsewhere proves that what is told to write is there.
func TestElsewhere(t *testing.T) {
	for name, keys := range elsewhere {
		table := tables()[name]
		if table == nil {
			t.Errorf("there is no table %s", name)
			continue
		}
		for key, meant := range keys {
			if key != plainKey(key) {
				t.Errorf("%s: %q is no plain key, and never found", name, key)
			}
			if table.Elsewhere(key) == "" {
				t.Errorf("%s: %q is a key of its own", name, key)
			}
			if !strings.Contains(meant, " ") && !hasPath(table, meant) {
				t.Errorf("%s: %q leads to %q, which is not there", name, key, meant)
			}
		}
	}
}

func hasPath(t *Table, path string) bool {
	key, rest, more := strings.Cut(path, ".")
	f, ok := t.Field(key)
	if !ok || !more || f.Type == TypeOptions { // whose keys the transports have
		return ok
	}
	inner, ok := f.Table()
	return ok && hasPath(inner, rest)
}
