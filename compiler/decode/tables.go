package decode

import (
	"fmt"
	"math"
	"time"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
)

// inner is a table inside a unit, see [unit.Inner]; choice is one that may also
// be a word, see [unit.Choice].
type (
	inner  interface{ Open(at source.Place) }
	choice interface {
		inner
		Choose() *unit.String
	}
)

// inside binds a table with the keys of its row, or one of the words that may
// stand in its place.
func (b *binder) inside(f unit.Field, into inner, v any, at source.Place) {
	if c, ok := into.(choice); ok {
		if _, word := v.(string); word {
			into.Open(at)
			b.string(f, c.Choose(), v, at)
			return
		}
	}
	values, ok := v.(map[string]any)
	if !ok {
		b.wrongType(f.Key, f.Type.String(), v, at, example(f, v))
		return
	}
	into.Open(at)
	b.inner("`"+f.Key+"`").table(f.Inner, into, values, at)
}

func (b *binder) int(f unit.Field, v any, at source.Place) unit.Int {
	n, ok := want[int64](b, f, v, at)
	if !ok {
		return unit.Int{}
	}
	if f.Min == 0 && f.Max == 0 || f.Min <= n && n <= f.Max {
		return unit.Int{Value: n, At: at}
	}
	help := fmt.Sprintf("write a number from %d to %d", f.Min, f.Max)
	if f.Max == math.MaxInt64 {
		help = fmt.Sprintf("write a number that is not below %d", f.Min)
	}
	b.report(diag.OutOfRange, at, help, "%d is out of range for `%s`", n, f.Key)
	return unit.Int{Value: n, At: at}
}

// duration binds a string with units, or a number of seconds.
func (b *binder) duration(f unit.Field, v any, at source.Place) unit.Duration {
	d := unit.Duration{At: at}
	switch v := v.(type) {
	case int64:
		if v > math.MaxInt64/int64(time.Second) || v < math.MinInt64/int64(time.Second) {
			b.report(diag.OutOfRange, at, "write a shorter one", "%d seconds are out of range for `%s`", v, f.Key)
			return d
		}
		d.Value = time.Duration(v) * time.Second
	case string:
		var bad *grammar.Error
		if d.Value, bad = grammar.ParseDuration(v); bad != nil {
			b.report(diag.InvalidValue, at.Within(bad.From, bad.To), bad.Help, "%s", bad.Message)
			b.fix(v[bad.From:bad.To], bad.Instead)
			return d
		}
	default:
		b.wrongType(f.Key, f.Type.String(), v, at, example(f, v))
		return unit.Duration{}
	}
	if n := int64(d.Value); (f.Min != 0 || f.Max != 0) && (n < f.Min || n > f.Max) {
		help := "write a duration above zero"
		if n >= f.Min {
			help = fmt.Sprintf("write a duration of at most %v", time.Duration(f.Max))
		} else if f.Min == 0 {
			help = "write a duration that is not negative"
		}
		b.report(diag.OutOfRange, at, help, "%v is out of range for `%s`", d.Value, f.Key)
	}
	return d
}

func (b *binder) absences(f unit.Field, v any, at source.Place) unit.Absences {
	var list unit.Absences
	list.At = b.each(f, v, at, func(v any, at source.Place) {
		a := unit.Absence{At: at}
		switch v := v.(type) {
		case string:
			a.Name = unit.String{Value: v, At: at}
		case map[string]any:
			b.inner("the entry of `"+f.Key+"`").table(&unit.AbsenceTable, &a, v, at)
		default:
			b.report(diag.WrongType, at, "write `\"group@name\"` or `{ name = \"group@name\", branch = \"key\" }`",
				"`%s` must be an array of states, got %s in it", f.Key, typeOf(v))
			return
		}
		list.Items = append(list.Items, a)
	})
	return list
}

// resource binds a resource limit: one value for both limits, or a table.
func (b *binder) resource(f unit.Field, v any, at source.Place) unit.ResourceLimit {
	l := unit.ResourceLimit{At: at}
	both := func(n int64) {
		l.Soft, l.Hard = unit.Int{Value: n, At: at}, unit.Int{Value: n, At: at}
	}
	values, table := v.(map[string]any)
	n, number := v.(int64)
	switch {
	case table:
		b.inner("`"+f.Key+"`").resourceTable(&l, values, at)
	case v == infinity:
		both(unit.Infinity)
	case number && n >= 0:
		both(n)
	case number:
		b.report(diag.OutOfRange, at, "write a number that is not negative, or `\"infinity\"`", "%d is out of range for `%s`", n, f.Key)
	default:
		if n, ok := meantInt(v); ok {
			b.wrongType(f.Key, f.Type.String(), v, at, fmt.Sprintf("write `%s = %d`, without quotes", f.Key, n))
			return unit.ResourceLimit{}
		}
		b.wrongType(f.Key, f.Type.String(), v, at, fmt.Sprintf("write `%s = 1024`, `%s = \"infinity\"` or `%s = { soft = 1024, hard = 4096 }`", f.Key, f.Key, f.Key))
		return unit.ResourceLimit{}
	}
	return l
}

// infinity is how the absence of a resource limit is written.
const infinity = "infinity"

// resourceTable binds soft and hard, each a number or "infinity".
func (b *binder) resourceTable(l *unit.ResourceLimit, values map[string]any, at source.Place) {
	numbers := map[string]any{}
	for key, v := range values {
		if v == infinity || v == "unlimited" { // the latter is reported
			if v != infinity {
				b.report(diag.UnknownValue, at.At(key), "write `\"infinity\"`", "`%s` must be an integer or `\"infinity\"`, got %q", key, v)
			}
			v = int64(math.MaxInt64)
		}
		numbers[key] = v
	}
	b.table(&unit.ResourceTable, l, numbers, at)
	if l.Soft.Set() && l.Hard.Set() && l.Soft.Value > l.Hard.Value {
		b.report(diag.OutOfRange, l.Soft.At, "raise `hard`, or lower `soft`", "the soft limit is above the hard one")
	}
	for key, n := range map[string]*unit.Int{"soft": &l.Soft, "hard": &l.Hard} {
		if values[key] == infinity {
			n.Value = unit.Infinity
		}
	}
}
