import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Writes a record and its state for each row that standard input tells of, all that has come in one transaction. */
public class Bare {
    private static final int MOST = 5000; // rows of one transaction

    public static void main(String[] args) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0],
            ProducerConfig.TRANSACTIONAL_ID_CONFIG, args[1],
            ProducerConfig.LINGER_MS_CONFIG, 0,
            ProducerConfig.BATCH_SIZE_CONFIG, 262144));
        if (args.length > 6) {
            config.putAll(Map.of("security.protocol", "SSL", "ssl.truststore.type", "PEM", "ssl.truststore.location", args[6]));
        }
        byte[] event = new byte[Integer.parseInt(args[4])], state = new byte[Integer.parseInt(args[5])];
        Arrays.fill(event, (byte) 'e');
        Arrays.fill(state, (byte) 's');
        BlockingQueue<String> lines = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> {
            try (var in = new BufferedReader(new InputStreamReader(System.in))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    lines.add(line);
                }
            } catch (java.io.IOException e) {
                System.err.println(e);
            }
            System.exit(0);
        });
        reader.setDaemon(true);
        try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            reader.start();
            for (int key = 0; ; ) {
                String line = lines.take();
                producer.beginTransaction();
                for (int rows = 0; line != null; ) {
                    String[] words = line.split(" ");
                    for (int i = Integer.parseInt(words[1]); i > 0; i--, rows++) {
                        byte[] name = Integer.toString(key++ % 4000).getBytes(StandardCharsets.US_ASCII);
                        var record = new ProducerRecord<>(args[2], name, event);
                        record.headers().add("ce_time", words[0].getBytes(StandardCharsets.US_ASCII));
                        producer.send(record);
                        producer.send(new ProducerRecord<>(args[3], name, state));
                    }
                    line = rows < MOST ? lines.poll() : null;
                }
                producer.commitTransaction();
            }
        }
    }
}
