package cond

import (
	"maps"
	"slices"
	"strconv"
)

// SubsetGuard returns the guard that "as = filter" is written for: one predicate
// for each leaf of filter, keys sorted. It holds for the same payloads as
// [Subset].
func SubsetGuard(root Root, filter any) *Guard {
	var preds []Guard
	subsetPreds(root, nil, filter, &preds)
	if len(preds) == 1 {
		return &preds[0]
	}
	return &Guard{And: preds}
}

func subsetPreds(root Root, path []string, filter any, out *[]Guard) {
	add := func(op Op, lit any) {
		*out = append(*out, Guard{Pred: &Pred{Root: root, Path: path, Op: op, Lit: lit}})
	}
	switch f := filter.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(f))
		if len(keys) == 0 || slices.ContainsFunc(keys, isIndex) {
			add(OpIs, "object") // a path would also lead into an array
		}
		for _, key := range keys {
			subsetPreds(root, append(slices.Clip(path), key), f[key], out)
		}
	case []any:
		if len(f) == 0 {
			add(OpIs, "array")
		}
		for _, item := range f {
			add(OpHas, item)
		}
	case string:
		if len(path) == 0 { // the whole payload is compared as text: canonical JSON
			text, err := Canonical(f)
			if err == nil {
				add(OpEqual, text)
			}
			return
		}
		add(OpEqual, f)
	default:
		add(OpEqual, f)
	}
}

func isIndex(key string) bool {
	_, err := strconv.Atoi(key)
	return err == nil
}
