package notation

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// units are the suffixes of Kubernetes quantities that make sense for bytes, with the factor of each.
var units = []struct {
	suffix string
	bytes  int64
}{
	{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"Pi", 1 << 50},
	{"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15},
}

const quantityForm = "write bytes like 512Mi, 2Gi, 1.5G or 1048576"

// ParseQuantity reads a number of bytes in Kubernetes' syntax: a decimal and one of Ki, Mi, Gi, Ti, Pi, k, M, G, T, P or nothing.
// It has to come to whole bytes and is never negative.
func ParseQuantity(text string) (int64, error) {
	number, factor := text, int64(1)
	for _, unit := range units {
		if rest, found := strings.CutSuffix(text, unit.suffix); found {
			number, factor = rest, unit.bytes
			break
		}
	}
	// Only digits and a point: big.Rat would also read fractions, exponents and hexadecimals. 40 digits bound its work.
	if number == "" || len(number) > 40 || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a quantity; %s", text, quantityForm)
	}
	value, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("%q is not a quantity; %s", text, quantityForm)
	}
	value.Mul(value, new(big.Rat).SetInt64(factor))
	if !value.IsInt() {
		return 0, fmt.Errorf("%q is not a whole number of bytes; %s", text, quantityForm)
	}
	if !value.Num().IsInt64() {
		return 0, fmt.Errorf("%q is more than 8191Pi", text)
	}
	return value.Num().Int64(), nil
}

// FormatQuantity writes what ParseQuantity reads, with the largest binary suffix that keeps it whole: "2Gi", "1536Mi", "1000".
func FormatQuantity(bytes int64) string {
	for i := 4; i >= 0; i-- {
		if unit := units[i]; bytes != 0 && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatInt(bytes, 10)
}
