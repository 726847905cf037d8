package kafka

import "github.com/segmentio/kafka-go"

// operationNotAttempted is what a broker answers for the partitions of a request whose other partitions it refused. The
// library calls this code BrokerAuthorizationFailed; the protocol guide does not.
const operationNotAttempted = kafka.BrokerAuthorizationFailed

// transactionAbortable is what a broker answers when a transaction can only be aborted, as with version 2 of transactions when the
// coordinator has ended it already. The library does not know this code.
const transactionAbortable = kafka.Error(120)

// retriableCodes pass by themselves, beside those of the network: a leader or coordinator moves, a replica catches up, an
// earlier transaction of the same id is being completed. Kafka's protocol guide, "Error Codes", lists them.
var retriableCodes = map[kafka.Error]bool{
	kafka.Unknown:                      true,
	kafka.InvalidMessage:               true, // CORRUPT_MESSAGE: damaged on its way
	kafka.UnknownTopicOrPartition:      true,
	kafka.LeaderNotAvailable:           true,
	kafka.NotLeaderForPartition:        true,
	kafka.RequestTimedOut:              true,
	kafka.BrokerNotAvailable:           true,
	kafka.ReplicaNotAvailable:          true,
	kafka.NetworkException:             true,
	kafka.GroupLoadInProgress:          true, // COORDINATOR_LOAD_IN_PROGRESS
	kafka.GroupCoordinatorNotAvailable: true, // COORDINATOR_NOT_AVAILABLE
	kafka.NotCoordinatorForGroup:       true, // NOT_COORDINATOR
	kafka.NotEnoughReplicas:            true,
	kafka.NotEnoughReplicasAfterAppend: true,
	kafka.NotController:                true,
	kafka.ConcurrentTransactions:       true,
	kafka.KafkaStorageError:            true,
	kafka.FencedLeaderEpoch:            true,
	kafka.UnknownLeaderEpoch:           true,
}

// fencedCodes say that another producer holds the transactional id now, or that the transaction is over.
var fencedCodes = map[kafka.Error]bool{
	kafka.InvalidProducerEpoch:     true,
	kafka.ProducerFenced:           true,
	kafka.InvalidTransactionState:  true,
	kafka.InvalidProducerIDMapping: true,
	kafka.UnknownProducerId:        true,
	transactionAbortable:           true,
}

// repairs say what an operator does about a code that does not pass by itself.
var repairs = map[kafka.Error]string{
	kafka.SASLAuthenticationFailed:           "set --kafka-user and the password that the broker knows",
	kafka.UnsupportedSASLMechanism:           "choose the --kafka-sasl mechanism that the broker offers",
	kafka.IllegalSASLState:                   "choose the --kafka-sasl mechanism that the broker offers",
	kafka.TransactionalIDAuthorizationFailed: "grant Write and Describe on the transactional id",
	kafka.TopicAuthorizationFailed:           "grant Write and Describe on the topic, and Read on the state topic",
	kafka.UnknownTopicOrPartition:            "run: lowcap-cdc init",
	kafka.MessageSizeTooLarge:                "raise the topic's max.message.bytes",
	kafka.InvalidTimestamp:                   "set the clocks of this host and of the brokers",
	kafka.InvalidTransactionTimeout:          "raise the broker's " + maxTransaction + " to 900000",
}
