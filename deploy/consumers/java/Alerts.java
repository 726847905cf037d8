import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints every event that somebody should know of: java -cp 'jars/*' Alerts.java BROKERS [--once]. A first start begins with what
 * comes from then on; --once reads everything from the beginning and ends.
 */
public class Alerts {
    public static void main(String[] args) {
        boolean once = args.length > 1 && args[1].equals("--once"); // stop at the end, for tests
        var settings = Map.<String, Object>of(
            "bootstrap.servers", args[0], "group.id", "alerts-java",
            "isolation.level", "read_committed", // without it you also see what was never committed
            "auto.offset.reset", once ? "earliest" : "latest", "enable.auto.commit", "false");
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Pattern.compile("lowcap\\.(?!cdc-state).*"));
            do {
                for (var record : consumer.poll(Duration.ofMillis(500))) {
                    String severity = header(record, "ce_severity"); // filter without parsing
                    if (!"info".equals(severity)) {
                        System.out.println(severity + " " + header(record, "ce_type") + " " + header(record, "ce_id"));
                    }
                }
                consumer.commitSync(); // after handling: after a crash the last events come again, drop them by ce_sequence
            } while (!once || !atEnd(consumer));
        }
    }

    private static String header(ConsumerRecord<?, ?> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    private static boolean atEnd(KafkaConsumer<?, ?> consumer) {
        var assigned = List.copyOf(consumer.assignment());
        var ends = consumer.endOffsets(assigned); // with read_committed: the last stable offsets
        return !assigned.isEmpty() && assigned.stream().allMatch(p -> consumer.position(p) >= ends.get(p));
    }
}
