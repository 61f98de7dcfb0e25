package bench.orders;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** What a reader gets, from either store. */
record View(
    String orderId, int version, String state, String placedAt, Customer customer, List<Line> lines, long total, Paid payment,
    List<Change> history) {
  record Customer(String id, String name, String level) {}

  record Line(String productId, String name, String category, long price, int quantity) {}

  record Paid(String paidAt) {}

  record Change(String state, String at, int version) {}

  record Page(List<View> orders, String nextCursor) {}

  private static final DateTimeFormatter iso = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");

  private static String text(LocalDateTime at) {
    return iso.format(at);
  }

  static View of(Model.PlacedOrder order) {
    var lines = order.lines.stream()
        .map(line -> new Line(
            line.item.id.toString(), line.item.name, line.item.category.name, line.item.price, line.quantity))
        .toList();
    var payment = order.payments.iterator().next();
    var placedAt = text(order.placedAt);
    var paidAt = text(payment.paidAt);
    return new View(
        order.id.toString(), 2, payment.status, placedAt,
        new Customer(order.user.id.toString(), order.user.name, order.user.level), lines,
        lines.stream().mapToLong(line -> line.price() * line.quantity()).sum(), new Paid(paidAt),
        List.of(new Change("placed", placedAt, 1), new Change(payment.status, paidAt, 2)));
  }
}
