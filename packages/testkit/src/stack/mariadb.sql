GRANT ALL PRIVILEGES ON `sluice\_%`.* TO 'sluice'@'%';
