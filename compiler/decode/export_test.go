package decode

// HeaderKeys returns where the keys of the headers of text begin.
func HeaderKeys(text string) []int {
	lay, bad := split(text)
	if bad != nil {
		return nil
	}
	var at []int
	for _, s := range lay.segments[1:] {
		begin := s.start + 1
		if s.array {
			begin++
		}
		at = append(at, begin)
	}
	return at
}
