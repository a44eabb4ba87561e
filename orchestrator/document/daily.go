package document

import (
	"time"
	_ "time/tzdata" // the machine may have no zones

	"nightshift.dev/nightshift/orchestrator"
)

// dailyFields are those of an objective by the clock: all of them or none.
func dailyFields(f visitor, objective *Objective) {
	given := false
	for _, key := range []string{"finishBy", "arrivedBy", "timeZone"} {
		given = f.optional(key, objective.TimeZone != "") || given
	}
	if !given {
		return
	}
	f.required("finishBy", "arrivedBy", "timeZone")
	timeOfDay(f, "finishBy", &objective.FinishBy)
	timeOfDay(f, "arrivedBy", &objective.ArrivedBy)
	f.text("timeZone", &objective.TimeZone, isTimeZone)
	if f.sound("finishBy", "finishWithin") && objective.FinishWithin > 0 {
		f.problem("finishBy", "beside finishWithin; allowed: one of them")
	}
}

// priceWindows are the times of the day at which a pool has other prices.
func priceWindows(f visitor, spec *PoolSpec) {
	if !f.optional("priceWindows", len(spec.PriceWindows) > 0) {
		return
	}
	f.list("priceWindows", len(spec.PriceWindows), func(index int, item visitor) {
		if index == len(spec.PriceWindows) {
			spec.PriceWindows = append(spec.PriceWindows, PriceWindow{})
		}
		one := &spec.PriceWindows[index]
		item.required("from", "to", "timeZone", "amount")
		timeOfDay(item, "from", &one.From)
		timeOfDay(item, "to", &one.To)
		item.text("timeZone", &one.TimeZone, isTimeZone)
		item.amount("amount", &one.Micros)
		if item.sound("from", "to") && one.From == one.To {
			item.problem("to", "%s is when it begins too; allowed: another time", one.To)
		}
	})
	if len(spec.PriceWindows) > 0 && spec.Price.Currency == "" && f.sound("price", "priceWindows") {
		f.problem("priceWindows", "without price; allowed: beside the price of all other times")
	}
}

func timeOfDay(f visitor, key string, value *orchestrator.TimeOfDay) {
	text := value.String()
	f.text(key, &text, isTimeOfDay)
	*value, _ = orchestrator.ParseTimeOfDay(text) // was checked
}

func isTimeOfDay(text string) string {
	_, err := orchestrator.ParseTimeOfDay(text)
	return allowedIf(err == nil, "a time of the day from 00:00 to 23:59")
}

// isTimeZone does not allow Local, which means another zone on every machine.
func isTimeZone(text string) string {
	_, err := time.LoadLocation(text)
	return allowedIf(err == nil && text != "" && text != "Local", "a time zone of the IANA database, like Europe/Berlin or UTC")
}

func zone(name string) *time.Location {
	if name == "" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC // decoding has found it
	}
	return zone
}

// Daily is the objective by the clock, in the planner's terms.
func (o Objective) Daily() orchestrator.DailyDeadline {
	return orchestrator.DailyDeadline{FinishBy: o.FinishBy, ArrivedBy: o.ArrivedBy, Zone: zone(o.TimeZone)}
}

// Due is when a job is due that is submitted at a time and names no deadline; zero: never.
func (o Objective) Due(submitted time.Time) time.Time {
	return orchestrator.QueuePolicy{FinishWithin: o.FinishWithin, Daily: o.Daily()}.Due(submitted)
}

func (p PoolSpec) windows() []orchestrator.PriceWindow {
	var list []orchestrator.PriceWindow
	for _, one := range p.PriceWindows {
		price := orchestrator.Money{Micros: one.Micros, Currency: p.Price.Currency}
		list = append(list, orchestrator.PriceWindow{From: one.From, To: one.To, Zone: zone(one.TimeZone), Price: price})
	}
	return list
}
