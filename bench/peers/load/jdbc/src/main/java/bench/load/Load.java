/*
 * The JDBC method: a prepared INSERT in batches of 10,000, which MariaDB's driver sends by its bulk protocol, a commit every 100,000 rows.
 *
 *   load csv FILE     the rows of a CSV file with a header, one line at a time
 *   load memory ROWS  rows made here, all of them in a list before the first is sent
 *
 * Prints "rows N" as it goes, and nothing else.
 */
package bench.load;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

public final class Load {
  static final int BATCH = 10_000;
  static final int COMMIT = 100_000;
  static final String SQL = "INSERT INTO people (name, email, age, created_at) VALUES (?, ?, ?, ?)";
  static final DateTimeFormatter INSTANT = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss");

  record Person(String name, String email, int age, LocalDateTime createdAt) {}

  static final class Sender implements AutoCloseable {
    private final Connection connection;
    private final PreparedStatement insert;
    private long rows;

    Sender() throws Exception {
      connection = DriverManager.getConnection(System.getenv("JDBC_URL"), System.getenv("JDBC_USER"), System.getenv("JDBC_PASSWORD"));
      connection.setAutoCommit(false);
      insert = connection.prepareStatement(SQL);
    }

    void send(Person person) throws Exception {
      insert.setString(1, person.name());
      insert.setString(2, person.email());
      insert.setInt(3, person.age());
      insert.setObject(4, person.createdAt());
      insert.addBatch();
      if (++rows % BATCH == 0) flush();
    }

    private void flush() throws Exception {
      insert.executeBatch();
      if (rows % COMMIT == 0) {
        connection.commit();
        System.out.println("rows " + rows);
      }
    }

    @Override
    public void close() throws Exception {
      if (rows % BATCH != 0) insert.executeBatch();
      connection.commit();
      connection.close();
      System.out.println("rows " + rows);
    }
  }

  /** The values of this table hold no quotes, commas or newlines. */
  static Person parse(String line) {
    String[] fields = line.split(",");
    return new Person(fields[0], fields[1], Integer.parseInt(fields[2]), LocalDateTime.parse(fields[3], INSTANT));
  }

  static void csv(String file) throws Exception {
    try (BufferedReader reader = Files.newBufferedReader(Path.of(file), StandardCharsets.UTF_8); Sender sender = new Sender()) {
      reader.readLine();
      for (String line; (line = reader.readLine()) != null; ) sender.send(parse(line));
    }
  }

  static void memory(int rows) throws Exception {
    Random random = new Random(1);
    LocalDateTime start = LocalDateTime.of(2026, 1, 1, 0, 0);
    List<Person> people = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      people.add(new Person("Person " + random.nextInt(1000), "person" + i + "@example.com", 18 + random.nextInt(72),
          start.plusSeconds(random.nextInt(365 * 86_400))));
    }
    try (Sender sender = new Sender()) {
      for (Person person : people) sender.send(person);
    }
  }

  public static void main(String[] args) throws Exception {
    if (args[0].equals("csv")) csv(args[1]);
    else memory(Integer.parseInt(args[1]));
  }
}
