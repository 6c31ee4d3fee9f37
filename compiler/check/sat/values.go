package sat

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/rind-sockets/rind/plan/cond"
)

// universe says what may stand at a place.
type universe uint8

const (
	anyJSON  universe = iota
	onlyText          // a payload of kind string or bytes
)

// filler is a value, and a field, that no unit file is about.
const filler = "other"

// values returns what may stand at a place that the facts are about: at least
// one value of every kind that they can tell apart. complete is not set when
// there may be kinds that are not in the list.
func values(facts []fact, of universe) (list []any, complete bool) {
	c := collector{universe: of, complete: true}
	for _, f := range facts {
		if f.want == (f.pred.Op != cond.OpNotEqual) {
			c.collect(f)
		}
	}
	if c.pinned { // nothing else is possible
		return c.list, true
	}
	wanted := len(c.list)
	for _, f := range facts {
		if f.want == (f.pred.Op == cond.OpNotEqual) {
			c.collect(f)
		}
	}
	unwanted := slices.Clone(c.list[wanted:])
	c.list = c.list[:wanted]
	c.numbersBetween()
	c.texts(facts)
	c.others()
	// What tests rule out comes last: it is only there for the sake of the types
	// and spellings that are not ruled out with it.
	c.list = append(c.list, unwanted...)
	return c.list, c.complete
}

type collector struct {
	universe universe
	list     []any
	numbers  []float64
	bools    bool     // a test names one
	taken    []string // texts that tests name
	elements []any    // that an array has to have
	pinned   bool     // a fact lists everything that is possible
	complete bool
}

func (c *collector) collect(f fact) {
	lit := f.pred.Lit
	switch f.pred.Op {
	case cond.OpEqual:
		c.add(lit)
		c.pinned = c.pinned || f.want
	case cond.OpNotEqual:
		c.add(lit)
		c.pinned = c.pinned || !f.want // it is equal, or not there
	case cond.OpIn:
		list, ok := lit.([]any)
		for _, v := range list {
			c.add(v)
		}
		c.pinned = c.pinned || f.want && ok
	case cond.OpLess, cond.OpAtMost, cond.OpMore, cond.OpAtLeast:
		c.add(lit)
	case cond.OpHas:
		if f.want {
			c.elements = append(c.elements, lit)
		}
	case cond.OpIs, cond.OpExists:
	case cond.OpContains, cond.OpStartsWith, cond.OpEndsWith, cond.OpMatches:
		c.complete = false
	default:
		c.complete = false
	}
}

// add adds a value, and its number if it is one.
func (c *collector) add(v any) {
	switch v := v.(type) {
	case json.Number:
		x, err := v.Float64()
		if err != nil || math.Abs(x) > 1<<50 {
			c.complete = false // the numbers between are not safe to compute with
			break
		}
		c.numbers = append(c.numbers, x)
		if x == math.Trunc(x) { // the same number in other spellings
			c.list = append(c.list, v, json.Number(strconv.FormatFloat(x, 'f', 1, 64)), json.Number(strconv.FormatFloat(x, 'f', 0, 64)))
			return
		}
	case string:
		c.taken = append(c.taken, v)
	case bool:
		c.bools = true
	}
	c.list = append(c.list, v)
}

// numbersBetween adds a number on every side of every number.
func (c *collector) numbersBetween() {
	if len(c.numbers) == 0 || c.universe == onlyText {
		return
	}
	slices.Sort(c.numbers)
	last := c.numbers[len(c.numbers)-1]
	c.number(last + 1)
	c.number(c.numbers[0] - 1)
	for i := 1; i < len(c.numbers); i++ {
		a, b := c.numbers[i-1], c.numbers[i]
		switch gap := b - a; {
		case gap == 0: // one number, or two that only decimals tell apart
			c.complete = c.complete && a == math.Trunc(a)
		case gap < closest*max(1, math.Abs(a), math.Abs(b)):
			c.complete = false
		default:
			if whole := math.Floor(a) + 1; whole < b {
				c.number(whole)
			}
			c.number(a + gap/2)
		}
	}
}

// closest is how close two numbers may be, relative to their size, for one that
// is computed to be safely between them.
const closest = 1e-9

func (c *collector) number(x float64) {
	c.list = append(c.list, json.Number(strconv.FormatFloat(x, 'f', -1, 64)))
}

// others adds values of every type that are none of those that tests name.
func (c *collector) others() {
	if c.bools && c.universe == anyJSON {
		c.list = append(c.list, true, false)
	}
	fresh := filler
	for slices.Contains(c.taken, fresh) {
		fresh += "."
	}
	c.list = append(c.list, fresh)
	if c.universe == onlyText {
		c.list = append(c.list, "")
		return
	}
	if c.elements != nil {
		c.list = slices.Insert(c.list, 0, any(c.elements))
	}
	if len(c.numbers) == 0 {
		c.list = append(c.list, json.Number("1"))
	}
	c.list = append(c.list,
		true, false, nil, "",
		[]any{}, []any{fresh}, slices.Concat(c.elements, []any{fresh}),
		map[string]any{}, map[string]any{fresh: fresh},
	)
}
