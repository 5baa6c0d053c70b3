Console.WriteLine("distopt");
