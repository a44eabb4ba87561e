package simulate

import "time"

// ForcedLate is a number of requests of which every schedule has at least so many late.
//
// Requests that take longer than they have are late. For the others, loads are left out, and the workers are one that is as fast as all of them and may interrupt:
// it can do what they do, as it can share its time like they do. Windows of one length begin and end in the same order, so that it does best to take
// requests as they come, and the most requests that it has in time are found one by one (Kise, Ibaraki and Mine 1978): when the next one would be late, the one is
// given up, of all so far, without which the rest ends soonest. The number is weak where loads are what makes requests late.
func ForcedLate(world *RequestWorld) int {
	taken, late := make([]taking, 0, len(world.Requests)), TooLong(world)
	for _, one := range world.Requests {
		if one.Work > world.Due {
			continue
		}
		// One unit of time of the fast worker for each worker.
		next := taking{arrival: one.Arrival * time.Duration(world.Workers), work: one.Work}
		next.start = max(next.arrival, endOf(taken))
		taken = append(taken, next)
		if endOf(taken) > next.arrival+world.Due*time.Duration(world.Workers) {
			taken = giveUp(taken)
			late++
		}
	}
	return late
}

// TooLong is how many requests take longer than they have.
func TooLong(world *RequestWorld) (count int) {
	for _, one := range world.Requests {
		if one.Work > world.Due {
			count++
		}
	}
	return count
}

// taking is a request that the fast worker has in time.
type taking struct{ arrival, work, start time.Duration }

func endOf(list []taking) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].start + list[len(list)-1].work
}

// giveUp takes the one away without which the rest ends soonest.
func giveUp(list []taking) []taking {
	best, most := len(list)-1, time.Duration(-1)
	room := endOf(list) // by which those after it can begin sooner
	for i := len(list) - 1; i >= 0 && room > most; i-- {
		if sooner := min(list[i].work, room); sooner > most {
			best, most = i, sooner
		}
		room = min(room, list[i].start-list[i].arrival)
	}
	list = without(list, best)
	for i := best; i < len(list); i++ {
		list[i].start = max(list[i].arrival, endOf(list[:i]))
	}
	return list
}
