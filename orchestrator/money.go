package orchestrator

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an amount in millionths of a currency unit, so that sums are exact.
// Its JSON and YAML form is {"amount": "0.10", "currency": "EUR"}.
type Money struct {
	Micros   int64  // millionths of one unit of Currency
	Currency string // ISO 4217 code; empty only for a zero amount nobody priced
}

const microsPerUnit = 1_000_000

// ParseMoney reads a decimal amount of at most six decimals.
func ParseMoney(amount, currency string) (Money, error) {
	text := strings.TrimSpace(amount)
	negative := strings.HasPrefix(text, "-")
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if whole == "" || len(fraction) > 6 {
		return Money{}, fmt.Errorf("amount %q: want a decimal with at most six decimals, like \"0.10\"", amount)
	}
	micros, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", 6-len(fraction)), 10, 62)
	if err != nil {
		return Money{}, fmt.Errorf("amount %q: want a decimal with at most six decimals, like \"0.10\"", amount)
	}
	if negative {
		return Money{Micros: -int64(micros), Currency: currency}, nil
	}
	return Money{Micros: int64(micros), Currency: currency}, nil
}

// mostMicros bounds amounts, so that no sum of two wraps around.
const mostMicros = math.MaxInt64 / 2

// Add sums two amounts of one currency, as far as the largest amount. A zero amount takes the other's currency.
func (m Money) Add(other Money) Money {
	if m.Currency == "" {
		m.Currency = other.Currency
	}
	sum := max(min(m.Micros, mostMicros), -mostMicros) + max(min(other.Micros, mostMicros), -mostMicros)
	m.Micros = max(min(sum, mostMicros), -mostMicros)
	return m
}

// Times multiplies by a factor and rounds to the nearest millionth. A result that does not fit is cut to the largest amount.
func (m Money) Times(factor float64) Money {
	product := math.Round(float64(m.Micros) * factor)
	micros := int64(0) // of what is no number
	switch {
	case product >= mostMicros:
		micros = mostMicros
	case product <= -mostMicros:
		micros = -mostMicros
	case !math.IsNaN(product):
		micros = int64(product)
	}
	return Money{Micros: micros, Currency: m.Currency}
}

// Amount is the decimal form with at least two decimals: "0.10", "0.000125".
func (m Money) Amount() string {
	sign, micros := "", m.Micros
	if micros < 0 {
		sign, micros = "-", -micros
	}
	fraction := strings.TrimRight(fmt.Sprintf("%06d", micros%microsPerUnit), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return fmt.Sprintf("%s%d.%s", sign, micros/microsPerUnit, fraction)
}

func (m Money) String() string {
	return strings.TrimSpace(m.Amount() + " " + m.Currency)
}

type moneyText struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// MarshalJSON writes {"amount","currency"}.
func (m Money) MarshalJSON() ([]byte, error) {
	return json.Marshal(moneyText{m.Amount(), m.Currency})
}

// UnmarshalJSON reads {"amount","currency"}.
func (m *Money) UnmarshalJSON(data []byte) error {
	var text moneyText
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	parsed, err := ParseMoney(text.Amount, text.Currency)
	*m = parsed
	return err
}
