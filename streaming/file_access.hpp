/// Who may read a file. Each answer is the end of a sentence that began with the file's name, "" where nothing is wrong.
/// Any thread.
#pragma once

#include <string>

namespace penstock {

/// ", which cannot be read: No such file or directory; …"
std::string unreadable(std::string const& path);
/// ", which others may read, too; run `chmod 600 …`". As PostgreSQL has it: of root's files the group may read. What is no
/// regular file (a pipe) is nobody's but ours.
std::string exposed(std::string const& path);

/// The whole text without the newline that editors and `echo` leave at its end; "" where it cannot be read.
std::string secret_text(std::string const& path);

}  // namespace penstock
