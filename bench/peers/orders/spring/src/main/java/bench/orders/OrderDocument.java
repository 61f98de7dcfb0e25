package bench.orders;

import java.util.List;
import org.springframework.data.annotation.Id;
import org.springframework.data.mongodb.core.mapping.Document;
import org.springframework.data.mongodb.core.mapping.Field;

@Document("views")
record OrderDocument(
    @Id String id, int version, String state, String placedAt, Customer customer, List<Line> lines, long total,
    View.Paid payment, List<View.Change> history) {
  record Customer(@Field("id") String id, String name, String level) {}

  record Line(String productId, String name, String category, long price, int quantity) {}

  View view() {
    return new View(
        id, version, state, placedAt, new View.Customer(customer.id, customer.name, customer.level),
        lines.stream()
            .map(line -> new View.Line(line.productId, line.name, line.category, line.price, line.quantity))
            .toList(),
        total, payment, history);
  }
}
