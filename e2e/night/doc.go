// Package night plays a night on real servers, many times faster than it is: a JetStream server and a Kafka broker, each a process of its own that is killed and
// started again, the service, its local workers, spot capacity that goes away, workers that are killed, and the traffic of a day that ends. It sees that everything is scored
// by the morning, that nothing is lost or double, and that no worker is left.
//
// `make demo-night` plays all of it in nine minutes and draws it; `make test` plays a part of it.
package night
