package typing

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Tree returns a TOML value as the JSON data that conditions and payloads are
// made of. Integers and floats keep apart: a float has a point or an exponent,
// as in TOML. Dates, infinities and NaN have no JSON form and are an error.
func Tree(v any) (any, error) {
	switch v := v.(type) {
	case string, bool:
		return v, nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case float64:
		return float(v)
	case []any:
		tree := make([]any, len(v))
		for i, item := range v {
			var err error
			if tree[i], err = Tree(item); err != nil {
				return nil, err
			}
		}
		return tree, nil
	case []map[string]any: // how the decoder gives an array of tables
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = item
		}
		return Tree(items)
	case map[string]any:
		tree := make(map[string]any, len(v))
		for key, item := range v {
			var err error
			if tree[key], err = Tree(item); err != nil {
				return nil, err
			}
		}
		return tree, nil
	}
	return nil, fmt.Errorf("a TOML value of type %T has no JSON form", v)
}

// float spells a float as short as it can be read back, with an exponent only
// when it is very large or small, and never like an integer.
func float(f float64) (json.Number, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "", fmt.Errorf("the number %v has no JSON form", f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	text := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text), nil
}

func sortedKeys(table map[string]any) []string { return slices.Sorted(maps.Keys(table)) }
