package cond

import (
	"cmp"
	"math"
	"strings"
)

// decimal is a JSON number without its spelling: ±0.d₁d₂… × 10^exponent, where
// digits starts with d₁ and may have a point that means nothing.
type decimal struct {
	negative bool
	digits   string // "" for zero
	exponent int64
}

// compareNumbers compares two JSON numbers by value, exactly, and without
// computing what an exponent such as 1e999999999 stands for.
func compareNumbers(a, b string) int {
	x, y := parseDecimal(a), parseDecimal(b)
	switch {
	case x.sign() != y.sign():
		return cmp.Compare(x.sign(), y.sign())
	case x.sign() == 0:
		return 0
	}
	return x.sign() * cmp.Or(cmp.Compare(x.exponent, y.exponent), compareDigits(x.digits, y.digits))
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// parseDecimal reads a number that is known to be JSON.
func parseDecimal(s string) decimal {
	var d decimal
	s, d.negative = strings.CutPrefix(s, "-")
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		d.exponent = parseExponent(s[i+1:])
		s = s[:i]
	}
	point := strings.IndexByte(s, '.')
	if point < 0 {
		point = len(s)
	}
	first := strings.IndexAny(s, "123456789")
	if first < 0 {
		return decimal{}
	}
	d.digits = strings.TrimRight(s[first:], "0.")
	if !strings.Contains(s[first:], ".") {
		d.digits = strings.TrimRight(s[first:], "0")
	}
	if first < point {
		d.exponent += int64(point - first)
	} else {
		d.exponent -= int64(first - point - 1)
	}
	return d
}

// parseExponent saturates: numbers with such exponents differ in them already,
// unless somebody writes as many digits.
func parseExponent(s string) int64 {
	const most = math.MaxInt64 / 100
	s, negative := strings.CutPrefix(strings.TrimPrefix(s, "+"), "-")
	n := int64(0)
	for i := range len(s) {
		if n = n*10 + int64(s[i]-'0'); n > most {
			n = most
		}
	}
	if negative {
		return -n
	}
	return n
}

// compareDigits compares digits behind a common point; shorter ones have zeros
// at their end.
func compareDigits(a, b string) int {
	for {
		a, b = strings.TrimPrefix(a, "."), strings.TrimPrefix(b, ".")
		switch {
		case a == "" || b == "":
			return cmp.Compare(len(a), len(b))
		case a[0] != b[0]:
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
}
