package bench.orders;

import jakarta.persistence.*;
import java.time.LocalDateTime;
import java.util.Set;

/** The normal form: users, category, items, orders, order_items, payment. */
final class Model {
  private Model() {}

  @Entity(name = "User") @Table(name = "users")
  static class User {
    @Id Long id;
    String name;
    String level;
  }

  @Entity(name = "Category") @Table(name = "category")
  static class Category {
    @Id Long id;
    String name;
  }

  @Entity(name = "Item") @Table(name = "items")
  static class Item {
    @Id Long id;
    String name;
    long price;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "category_id") Category category;
  }

  @Entity(name = "OrderItem") @Table(name = "order_items")
  static class OrderItem {
    @Id Long id;
    int quantity;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "item_id") Item item;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "order_id") PlacedOrder order;
  }

  @Entity(name = "Payment") @Table(name = "payment")
  static class Payment {
    @Id Long id;
    String status;
    @Column(name = "paid_at") LocalDateTime paidAt;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "order_id") PlacedOrder order;
  }

  @Entity(name = "PlacedOrder") @Table(name = "orders")
  static class PlacedOrder {
    @Id Long id;
    @Column(name = "placed_at") LocalDateTime placedAt;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "user_id") User user;
    @OneToMany(mappedBy = "order") @OrderBy("id") Set<OrderItem> lines;
    @OneToMany(mappedBy = "order") Set<Payment> payments;
  }
}
