package notation

import "strings"

// Closest returns the allowed word that was probably meant, or "" when none is near. Case does not count; a missing, additional,
// wrong or swapped letter counts one each, and a third of the letters, at least one, may be wrong.
func Closest(word string, allowed []string) string {
	const longest = 64 // longer words are not keys, and the comparison takes the product of the lengths
	best, least := "", 1+max(1, min(len(word)/3, 4))
	if len(word) > longest {
		return ""
	}
	for _, candidate := range allowed {
		if len(candidate) > longest {
			continue
		}
		if distance := edits(strings.ToLower(word), strings.ToLower(candidate)); distance < least && distance < len(candidate) {
			best, least = candidate, distance
		}
	}
	return best
}

// edits is the Damerau-Levenshtein distance in which no part is edited twice (optimal string alignment), over bytes.
func edits(a, b string) int {
	beforeLast := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			wrong := 0
			if a[i-1] != b[j-1] {
				wrong = 1
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last, row = last, row, beforeLast
	}
	return last[len(b)]
}
