package decode

import (
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
)

func (b *binder) conditions(f unit.Field, v any, at source.Place) unit.Conditions {
	var c unit.Conditions
	c.At = b.each(f, v, at, func(v any, at source.Place) {
		if item, ok := b.condition(v, at); ok {
			c.Items = append(c.Items, item)
		}
	})
	if all, _ := items(v); c.Set() && f.NonEmpty && len(all) == 0 {
		b.report(diag.EmptyValue, at, "list the conditions", "`%s` must not be empty", f.Key)
	}
	return c
}

// not binds a single condition.
func (b *binder) not(v any, at source.Place) *unit.Condition {
	if c, ok := b.condition(v, at); ok {
		return &c
	}
	return nil
}

func (b *binder) condition(v any, at source.Place) (unit.Condition, bool) {
	switch v := v.(type) {
	case string:
		return unit.Condition{At: at, Bare: unit.String{Value: v, At: at}}, true
	case map[string]any:
		return b.conditionTable(v, at), true
	}
	b.report(diag.WrongType, at, "write `\"group@name\"` or `{ state = \"group@name\" }`",
		"a condition must be a string or a table, got %s", typeOf(v))
	return unit.Condition{}, false
}

func (b *binder) conditionTable(values map[string]any, at source.Place) unit.Condition {
	c := unit.Condition{At: at}
	before := b.found.count()
	b.inner("the condition").table(&unit.ConditionTable, &c, values, at)
	named := c.State.Set() || c.Signal.Set() || c.All.Set() || c.Any.Set() || c.Not != nil
	c.Broken = b.partial || b.found.count() > before
	if !named && !c.Broken {
		// Another mistake may be the misspelled name.
		b.report(diag.NoCondition, at, "add `state = \"group@name\"` or `signal = \"group@name\"`",
			"the condition names neither a state nor a signal")
	}
	return c
}

// test binds target or branch.
func (b *binder) test(f unit.Field, v any, at source.Place) unit.Test {
	t := unit.Test{At: at}
	switch v := v.(type) {
	case string:
		t.Equal = unit.String{Value: v, At: at}
	case map[string]any:
		before := b.found.count()
		b.inner("`"+f.Key+"`").table(&unit.TestTable, &t, v, at)
		const one = "write one of `contains = \"text\"`, `as = { … }`, `binary = true`"
		if len(v) != 1 && b.found.count() == before && !b.partial {
			b.report(diag.NotOneTest, at, one, "`%s` must have exactly one of `contains`, `as`, `binary`, got %d", f.Key, len(v))
		}
		if t.Binary.Set() && !t.Binary.Value {
			b.report(diag.NotOneTest, t.Binary.At, one, "`binary = false` tests nothing")
		}
	default:
		b.wrongType(f.Key, f.Type.String(), v, at, "write a string for the same text, or `{ as = … }` for a part of a json payload")
	}
	return t
}

func (b *binder) triggers(f unit.Field, v any, at source.Place) unit.Triggers {
	var t unit.Triggers
	t.At = b.each(f, v, at, func(v any, at source.Place) {
		values, ok := v.(map[string]any)
		if !ok {
			help := "write `{ signal = \"group@name\" }`, or another action"
			if s, ok := v.(string); ok && strings.ContainsAny(s, " /") {
				help = fmt.Sprintf("write `{ script = %q }`", clip(s))
			}
			b.report(diag.WrongType, at, help, "a trigger must be a table, got %s", typeOf(v))
			return
		}
		item := unit.Trigger{At: at}
		before := b.found.count()
		b.inner("the trigger").table(&unit.TriggerTable, &item, values, at)
		item.Broken = b.partial || b.found.count() > before
		t.Items = append(t.Items, item)
	})
	return t
}
