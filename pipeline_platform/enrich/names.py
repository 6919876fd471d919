"""Given names, by which persons are told from places and words. Our own list of frequent ones, of many languages."""

_NAMES = """
Aaron Abdul Abdullah Abigail Adam Adrian Adriana Agnes Ahmad Ahmed Aisha Alan Albert Alberto Alejandra Alejandro
Alessandro Alex Alexander Alexandra Alexandre Alexei Alfred Ali Alice Alison Amanda Amber Amelia Amina Amir Amit Amy Ana
Anastasia Anders Andre Andrea Andreas Andrei Andrew Andrzej Andy Angela Angelina Anil Anita Ann Anna Anne Annette Annie
Anthony Antoine Anton Antonio Arjun Arnold Arthur Arturo Ashley Audrey Ayesha Barbara Barry Beatrice Benjamin Bernard
Bernie Bernd Beth Betty Beyonce Bill Billy Björn Bob Bobby Boris Brad Brandon Brenda Brian Bruce Bruno Bryan Caitlin
Calvin Camila Camille Carl Carla Carlos Carmen Carol Caroline Catherine Cecilia Chad Charles Charlie Chen Cheryl Chiara
Chloe Chris Christian Christina Christine Christopher Cindy Claire Clara Claudia Clint Colin Connor Craig Cristiano
Cynthia Daisy Damian Dan Daniel Daniela Danielle Danny Darren Dave David Dean Deborah Debra Deepak Denis Dennis Derek
Diana Diane Diego Dieter Dimitri Dmitri Dmitry Dominic Donald Donna Doris Dorothy Doug Douglas Dylan Ed Eddie Edgar
Eduardo Edward Edwin Eileen Elaine Eleanor Elena Eli Elisabeth Elizabeth Ellen Elon Emil Emily Emma Emmanuel Enrique
Eric Erica Erik Ernest Esther Ethan Eugene Eva Evelyn Fatima Felix Fernando Fiona Francesca Francesco Francis Francisco
Franck Frank Franz Fred Frederick Friedrich Gabriel Gabriela Gareth Gary Gavin Gemma Geoffrey George Georges Gerald
Gerard Gerhard Gianluca Giovanni Giuseppe Glenn Gloria Gordon Graham Greg Gregory Greta Guillaume Guillermo Gustavo Guy
Hannah Hans Harold Harry Harvey Hassan Heather Hector Heidi Heinrich Helen Helena Helmut Henri Henrik Henry Herbert
Hillary Hiroshi Howard Hugh Hugo Hussein Ian Ibrahim Ida Igor Ines Ingrid Irene Irina Isaac Isabel Isabella Ivan Ivanka
Jack Jackie Jacob Jacqueline Jacques Jaime Jake James Jamie Jan Jane Janet Janice Jared Jasmine Jason Javier Jean Jeff
Jeffrey Jennifer Jenny Jens Jeremy Jerome Jerry Jesse Jessica Jessie Jesus Jill Jim Jimmy Joan Joanna Joe Joel Johan
Johann Johannes John Johnny Jon Jonas Jonathan Jorge José Jose Josef Joseph Josh Joshua Joyce Juan Juanita Judith Judy
Julia Julian Juliana Julie Julien Julio Justin Jürgen Kamala Karen Karim Karin Karl Kate Katherine Kathleen Kathy Katie
Katrina Kazuo Keith Kelly Ken Kendall Kenneth Kevin Khalid Kim Kirsten Klaus Krishna Kristen Kristin Kurt Kyle Lara
Larry Lars Laura Lauren Laurent Leah Leonard Leonardo Leonid Leslie Lewis Liam Lillian Linda Lindsay Lindsey Lionel Lisa
Liz Lorenzo Louis Louise Luc Luca Lucas Lucia Lucy Luigi Luis Luiz Lukas Luke Lydia Lynn Madeleine Maggie Mahmoud Manuel
Marcel Marco Marcus Margaret Maria Mariana Marie Marina Mario Marion Mark Markus Marta Martha Martin Martina Marvin Mary
Mateo Matt Matteo Matthew Matthias Maurice Max Maxim Maya Megan Mehdi Mehmet Mei Melania Melanie Melissa Michael Michel
Michelle Miguel Mikael Mike Mikhail Milan Miley Miranda Mitch Mitchell Mohamed Mohammad Mohammed Molly Monica Monika
Morgan Muhammad Mustafa Nadia Nancy Naomi Narendra Natalia Natalie Natasha Nathan Neil Nelson Nicholas Nick Nicki Nicola
Nicolas Nicole Nigel Nikita Nikola Nina Noah Noel Nora Norman Olaf Oleg Olga Oliver Olivia Omar Oscar Oskar Otto Pablo
Paolo Pascal Patricia Patrick Paul Paula Pauline Pavel Pedro Peggy Penelope Pete Peter Petra Phil Philip Philippe
Phillip Pierre Piotr Priya Rachel Rafael Rahul Raj Rajesh Ralph Ramon Randy Raul Raymond Rebecca Regina Renata Renee
Ricardo Richard Rick Ricky Rita Rob Robert Roberto Robin Rodrigo Roger Roland Rolf Roman Ron Ronald Rosa Rosemary Roy
Ruben Rupert Russell Ruth Ryan Said Sally Salman Sam Samantha Samir Samuel Sandra Sanjay Sara Sarah Satoshi Scott Sean
Sebastian Selena Serena Serge Sergei Sergio Shane Shannon Sharon Shaun Shawn Sheila Shirley Simon Simone Sofia Sofie
Sonia Sophia Sophie Stacey Stanley Stefan Stefano Stephanie Stephen Steve Steven Stuart Sundar Suresh Susan Susanne
Suzanne Sven Svetlana Takashi Tamara Tanya Tara Tatiana Taylor Ted Teresa Terry Theodore Theresa Thierry Thomas Tiffany
Tim Timothy Tina Toby Todd Tom Tomas Tomasz Tommy Tony Tracy Trevor Tyler Ursula Valentina Valerie Vanessa Vera Veronica
Vicky Victor Viktor Vikram Vincent Vincenzo Virginia Vitalik Vivian Vladimir Volodymyr Walter Wanda Warren Wayne Wei
Wendy Wilhelm William Willie Wolfgang Xavier Yasmin Yolanda Yuki Yuri Yusuf Yvonne Zachary Zoe Zoltan
"""

GIVEN_NAMES: frozenset[str] = frozenset(_NAMES.split())
"""As written. Left out are those that are rather words (Will, Grace, Mark stays) or places (Sydney, Austin)."""
